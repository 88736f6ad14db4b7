"""The people of the demo site: cast tables, the page of one character, and invented voice actors and staff.

Belongs here: how a cast and a character are shown today by the real site. Does not: what surrounds every page
(chrome), or who a character is (casts).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from anipop_pipeline.demo import words
from anipop_pipeline.demo.chrome import CDN, advertisement, breadcrumb, link, text, thumbnail
from anipop_pipeline.demo.records import Anime, Character, Role, World

LANGUAGES = ("Japanese", "English", "Spanish", "German", "French", "Italian")
DUTIES = (
    "Director",
    "Producer",
    "Original Creator",
    "Episode Director, Storyboard",
    "Script",
    "Music",
    "Sound Director",
)
LANGUAGE_MENU = "".join(
    f'<li class="ml12 js-btn-sort-order btn-sort-order selected" id="lang_{i}">{name}</li>'
    for i, name in enumerate(LANGUAGES, start=1)
)


@dataclass(frozen=True)
class Person:
    """A voice actor or a member of the staff: only a name and an id."""

    id: int
    name: str

    @property
    def path(self) -> str:
        """Return the path of a page that this site does not have."""
        family, given = self.name.split(", ")
        return f"/people/{self.id}/{given}_{family}"


def _person(number: int) -> Person:
    family = words.FAMILY_NAMES[number % len(words.FAMILY_NAMES)][0]
    return Person(number, f"{family}, {words.GIVEN_NAMES[number % len(words.GIVEN_NAMES)][0]}")


def _voices(world: World, character: Character) -> list[tuple[str, Person]]:
    """Return who speaks the character, each with a language; always the same people."""
    rng = random.Random(f"voices {world.seed} {character.id}")
    languages = LANGUAGES[: rng.choice((0, 1, 1, 1, 2, 2, 3))]
    return [(language, _person(rng.randint(1, 2000))) for language in languages]


def _staff(world: World, anime: Anime) -> list[tuple[str, Person]]:
    rng = random.Random(f"staff {world.seed} {anime.id}")
    return [(duty, _person(rng.randint(2001, 4000))) for duty in rng.sample(DUTIES, 4)]


def short_cast(world: World, anime: Anime, path: str) -> str:
    """Return the first six of the cast, as the anime's own page shows them."""
    opening = f"""<div><div class="floatRightHeader"><a href="{text(path)}/characters" style="font-weight: normal;">\
More characters</a></div><h2 id="characters">Characters & Voice Actors</h2></div>"""
    entries = [_short_entry(world, role) for role in anime.roles[:6]]
    half = (len(entries) + 1) // 2
    return f"""{opening}<div class="detail-characters-list clearfix">\
<div class="left-column fl-l divider" style="width:392px;">\
{"".join(entries[:half])}</div><div class="left-right fl-r" style="width:392px;">{"".join(entries[half:])}</div>\
</div>"""


def _short_entry(world: World, role: Role) -> str:
    one = world.character_by_id[role.character_id]
    spoken = "".join(
        f"""<tr>
                <td class="va-t ar pl4 pr4">
                  {link(person.path, text(person.name))}<br>
                  <small>{language}</small>
                </td>
                <td valign="top">
                  <div class="picSurround">
                    {link(person.path, thumbnail(None, person.name))}
                  </div>
                </td>
              </tr>"""
        for language, person in _voices(world, one)[:1]
    )
    return f"""<table border="0" cellpadding="0" cellspacing="0" width="100%">
    <tr>
      <td valign="top" width="27" class="ac borderClass">
        <div class="picSurround">
          {link(one.path, thumbnail(one.portrait_path, one.listed_name), "fw-n")}
        </div>
      </td>
      <td valign="top" class="borderClass">
        <h3 class="h3_characters_voice_actors">{link(one.path, text(one.listed_name))}</h3>
        <div class="spaceit_pad">
          <small>{_role_name(role)}</small>
        </div>
      </td>
      <td align="right" valign="top" class="borderClass">
                <table border="0" cellpadding="0" cellspacing="0">{spoken}</table>
              </td>
    </tr>
  </table>"""


def _role_name(role: Role) -> str:
    return "Main" if role.main else "Supporting"


def short_staff(world: World, anime: Anime, path: str) -> str:
    """Return the staff, as the anime's own page shows it."""
    entries = "".join(_staff_entry(duty, person, "") for duty, person in _staff(world, anime))
    return f"""<div>
  <div class="floatRightHeader">{link(f"{path}/characters#staff", "More staff")}</div>
  <h2>Staff</h2>
</div>

<div class="detail-characters-list clearfix"><div class="left-column fl-l divider" style="width:392px;">\
{entries}</div></div>"""


def _staff_entry(duty: str, person: Person, shade: str) -> str:
    return f"""<table border="0" cellpadding="0" cellspacing="0" width="100%">
    <tr>
      <td valign="top" width="27" class="ac borderClass{shade}">
        <div class="picSurround">
          {link(person.path, thumbnail(None, person.name), "fw-n")}
        </div>
      </td>
      <td valign="top" class="borderClass{shade}">
        {link(person.path, text(person.name))}
        <div class="spaceit_pad">
          <small>{duty}</small>
        </div>
      </td>
    </tr>
  </table>"""


def cast_body(world: World, anime: Anime, path: str) -> str:
    """Return what the page of an anime's whole cast shows below its head line."""
    trail = breadcrumb([("/anime.php", "Anime"), (path, anime.title), (f"{path}/characters", "Characters & Staff")])
    tables = "".join(_cast_table(world, role, place) for place, role in enumerate(anime.roles))
    staff = "".join(
        _staff_entry(duty, person, f" bgColor{2 - place % 2}")
        for place, (duty, person) in enumerate(_staff(world, anime))
    )
    return f"""
                          {trail}

<div class="border_solid"><div class="floatRightHeader"><a href="/panel.php?go=characters&do=add" \
style="font-weight: normal;">Add character</a></div><h2 class="h2_overwrite">Characters & Voice Actors</h2></div>\
<div class="anime-character navi-anime-character mb4 pb8 js-navi-anime-character">
    <span class="fl-r btn-show-sort js-btn-show-sort language mr12" data-id="language">Language</span>
    <div class="anime-character-sort-order-block language js-anime-character-sort-order-block js-language">
      <ul class="sort-order-list" id="language">
        <li class="js-btn-sort-order btn-sort-order selected" id="All">All</li>{LANGUAGE_MENU}</ul>
    </div>
</div>

<div class="anime-character-container js-anime-character-container" style="display: none;">{tables}</div>
<a name="staff"></a>
<div>
  <div class="floatRightHeader">
      {link(f"/dbchanges.php?aid={anime.id}&t=staff", "Add staff")}
  </div>
  <h2 class="h2_overwrite">Staff</h2>
</div>{staff}
</div></td></tr></table></div>"""


def _cast_table(world: World, role: Role, place: int) -> str:
    one, shade = world.character_by_id[role.character_id], f"bgColor{2 - place % 2}"
    spoken = "".join(_voice_row(language, person) for language, person in _voices(world, one))
    return f"""<table border="0" cellpadding="0" cellspacing="0" width="100%" class="js-anime-character-table">
    <tr>
      <td valign="top" width="27" class="ac borderClass {shade}">
        <div class="picSurround">
          {link(one.path, thumbnail(one.portrait_path, one.listed_name), "fw-n")}
        </div>
      </td>
      <td valign="top" class="borderClass {shade}">
        <div class="js-chara-roll-and-name" style="display:none">
          {_role_name(role)[0].lower()}_{text(one.listed_name)}
        </div>
        <div class="js-anime-character-favorites" style="display:none;">
          {one.favourites}
        </div>
        <div class="spaceit_pad">
          {link(one.path, f'<h3 class="h3_character_name">{text(one.listed_name)}</h3>')}
        </div>
        <div class="spaceit_pad">
          {_role_name(role)}&nbsp;
        </div>
        <div class="spaceit_pad" style="color: #787878;">
          {one.favourites:,} Favorites
        </div>
      </td>
      <td align="right" valign="top" class="borderClass {shade}">
                <table border="0" cellpadding="0" cellspacing="0" class="js-anime-character-va">{spoken}</table>
              </td>
    </tr>
  </table>"""


def _voice_row(language: str, person: Person) -> str:
    return f"""<tr class="js-anime-character-va-lang">
              <td valign="top" align="right" style="padding: 0 4px;" nowrap="">
                <div class="spaceit_pad">
                  {link(person.path, text(person.name))}
                </div>
                <div class="spaceit_pad js-anime-character-language" style="color: #787878;">
                  {language}
                </div>
              </td>
              <td valign="top">
                <div class="picSurround">
                  {link(person.path, thumbnail(None, person.name))}
                </div>
              </td>
            </tr>"""


def body(world: World, one: Character) -> str:
    """Return the character's page without its chrome."""
    path = one.path
    tabs = "".join(
        f"\t\t\t\t<li>{link(path + end, name, '' if end else 'horiznav_active')}</li>\n"
        for name, end in (("Details", ""), ("Clubs", "/clubs"), ("Pictures", "/pics"))
    )
    return f"""<div id="contentWrapper"><div><div class="h1 edit-info">
      <div class="h1-title"><h1 class="title-name h1_bold_none"><strong>{text(one.name)}</strong></h1></div>\
<div class="header-right">
          {link(f"/panel.php?go=characters&do=edit&character_id={one.id}", "Edit Character Information")}</div></div>\
</div>\
<div id="content" >
<table border="0" cellpadding="0" cellspacing="0" width="100%">
        <tr>
          <td width="225" class="borderClass" style="border-width: 0 1px 0 0;" valign="top">{_portrait(one)}
          <div id="profileRows"><div id="v-favorite" data-favorite="{{&quot;isFavorite&quot;:false,&quot;type&quot;:\
&quot;character&quot;,&quot;id&quot;:&quot;{one.id}&quot;}}">
  <a href="#" class="js-favorite-button" style="font-weight:normal;"><span id="favOutput">
      <template v-if="isFavorite">Remove from Favorites</template>
      <template v-if="!isFavorite">Add to Favorites</template>
    </span></a>
</div>
</div><br><div class="normal_header character-anime">Animeography</div>
    <table border="0" cellpadding="0" cellspacing="0" width="100%">
{"".join(_appearance(anime, role) for anime, role in world.appearances[one.id])}    </table>
    <br />
    <div class="normal_header character-manga">Mangaography</div>
    <table border="0" cellpadding="0" cellspacing="0" width="100%">
    </table>
    <br /><br>
    Member Favorites: {one.favourites:,}
    </td>
    <td valign="top" style="padding-left: 5px;"><div style="width:728px; margin:0 auto"></div>
    <div id="horiznav_nav" style="margin: 5px 0 10px 0;">
        <ul style="margin-right: 0; padding-right: 0;">
{tabs}        </ul>
    </div>

                  {breadcrumb([("/character.php", "Characters"), (path, one.name)])}

    <h2 class="normal_header" style="height: 15px;">{text(one.name)} <span style="font-weight: normal;">\
<small>({text(one.japanese)})</small></span></h2>{_biography(one)}<br /><br />{_between(one)}\
<div class="normal_header">Voice Actors</div>{_voice_tables(_voices(world, one))}<br><br /></td>
    </tr>
    </table></div>"""


def _portrait(one: Character) -> str:
    """Return the portrait; where there is none, the page either offers to add one or shows a question mark."""
    if one.portrait_path is None and one.id % 2:
        path = f"/panel.php?go=characters&do=pictures&character_id={one.id}"
        return f'<div style="text-align: center;">{link(path, "Add Picture", "btn-detail-add-picture nothing")}</div>'
    source = CDN + (one.portrait_path or "/images/questionmark_23.gif")
    return (
        f'<div style="text-align: center;"><a href="{text(one.path)}/pics"><img class="portrait-225x350 lazyload" '
        f'data-src="{source}" alt="{text(one.name)}"></a></div>'
    )


def _appearance(anime: Anime, role: Role) -> str:
    path = f"/anime/{anime.id}/{anime.slug}"
    small = f"{CDN}/r/42x62{anime.poster_path or '/images/questionmark_23.gif'}"
    return f"""        <tr>
        <td width="25" class="borderClass" valign="top"><div class="picSurround">\
{link(path, f'<img class="lazyload" data-src="{small}" border="0">')}</div></td>
        <td valign="top" class="borderClass">{link(path, text(anime.title))}
        <div class="spaceit_pad">{link(f"/ownlist/anime/add?selected_series_id={anime.id}", "add", "button_add")} \
<small>{_role_name(role)}</small></div></td>
        </tr>
"""


def _biography(one: Character) -> str:
    """Return facts, an empty line, prose, and what is hidden behind a button."""
    if one.biography is None:
        return "No biography written."
    facts = "".join(f"{text(fact)}<br />\n" for fact in one.facts)
    parted = f"{facts}<br />\n" if facts else ""
    told = text(one.biography).replace("\n", "<br />\n")
    return parted + told + (_spoiler(one.spoiler) if one.spoiler else "")


def _spoiler(hidden: str) -> str:
    return (
        '<br />\n<br />\n<div class="spoiler"><input type="button" class="button show_button" '
        "onClick=\"this.nextSibling.style.display='inline-block';this.style.display='none';\" "
        'data-showname="Show spoiler" data-hidename="Hide spoiler" value="Show spoiler">'
        '<span class="spoiler_content" style="display:none"><input type="button" class="button hide_button" '
        "onClick=\"this.parentNode.style.display='none';"
        "this.parentNode.parentNode.childNodes[0].style.display='inline-block';\" "
        f'value="Hide spoiler"><br>{text(hidden)}</span></div>'
    )


def _between(one: Character) -> str:
    target: dict[str, object] = {"character_id": [one.id], "country": ["XX"]}
    return "".join(
        f'<div style="padding: 20px 40px;display: inline-block;">{advertisement("300x250", i, target)}</div>'
        for i in (1, 2)
    )


def _voice_tables(voices: Sequence[tuple[str, Person]]) -> str:
    if not voices:
        return "Nobody lends a voice here."
    return "".join(
        f"""
      <table border="0" cellpadding="0" cellspacing="0" width="100%">
      <tr>
        <td class="borderClass" valign="top" width="46"><div class="picSurround">\
{link(person.path, thumbnail(None, person.name))}</div></td>
        <td class="borderClass" valign="top">{link(person.path, text(person.name))}
        <div style="margin-top: 2px;"><small>{language}</small></div></td>
      </tr>
      </table>
      """
        for language, person in voices
    )
