"""The demo world's vocabulary: themes, moods, names, studios, title words.

Belongs here: word lists, all our own and harmless. Does not: how sentences are built (prose), or what a word is
worth to the score (world).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """What a story is about: each list fills one kind of gap in a sentence."""

    genre: str
    heroes: tuple[str, ...]
    places: tuple[str, ...]
    things: tuple[str, ...]
    deeds: tuple[str, ...]
    troubles: tuple[str, ...]


@dataclass(frozen=True)
class Mood:
    """How a story is told, whatever it is about."""

    adjectives: tuple[str, ...]
    adverbs: tuple[str, ...]
    feelings: tuple[str, ...]
    closings: tuple[str, ...]


def _parts(listed: str, separator: str = ",") -> tuple[str, ...]:
    return tuple(part.strip() for part in listed.split(separator))


def _theme(genre: str, heroes: str, places: str, things: str, deeds: str, troubles: str) -> Theme:
    return Theme(genre, _parts(heroes), _parts(places), _parts(things), _parts(deeds), _parts(troubles))


def _mood(adjectives: str, adverbs: str, feelings: str, closings: str) -> Mood:
    return Mood(_parts(adjectives), _parts(adverbs), _parts(feelings), _parts(closings, "|"))


THEMES: dict[str, Theme] = {
    "marsh lanterns": _theme(
        "Fantasy",
        "lamplighter, marsh witch, ferryman's daughter, will-o'-wisp, reed cutter",
        "the reed marsh, the sunken chapel, the village on stilts, the peat road, the moonlit causeway",
        "brass lantern, jar of fireflies, wick of silver thread, foghorn, oil lamp, reed flute, tallow candle",
        "light the marsh road before dusk, lead travellers through the fog, catch a runaway wisp, "
        "trade lamp oil for stories, keep a flame alive until dawn, follow the glow below the water",
        "a fog that swallows names, the night without lamps, a flooded causeway, the winter of dead wicks",
    ),
    "dragon post": _theme(
        "Fantasy",
        "dragon courier, stable hand, stamp engraver, apprentice knight, griffin tamer",
        "the cliff post office, the castle of kites, the dragon stables, the valley of bells, the highest tower",
        "saddlebag, wax seal, dragon whistle, royal parcel, enchanted stamp, scale armour, feathered map",
        "deliver parcels by dragon, race a griffin over the peaks, polish scales at sunrise, "
        "forge the king's signature seal, tame a sneezing hatchling, win the courier's crest",
        "a tax on flying, the tournament of wings, a stolen egg, the king's impossible deadline",
    ),
    "orbital garden": _theme(
        "Sci-Fi",
        "orbital gardener, botanist, solar engineer, seed librarian, young astronaut",
        "the greenhouse ring, the seed vault, the observation deck, the silent hangar, the ice moon",
        "tomato vine, moss terrarium, solar sail, watering drone, capsule of soil, glass dome, star chart",
        "grow apples in orbit, graft roses under two suns, name each seedling, "
        "listen to plants through headphones, thaw the oldest seed, steer the station toward light",
        "a leaking dome, the long eclipse, a blight without cure, the last supply rocket",
    ),
    "robot workshop": _theme(
        "Sci-Fi",
        "robot mechanic, android waiter, junk dealer, test pilot, circuit prodigy",
        "the scrap bazaar, the robot arena, the neon workshop, the chrome district, the launch pad",
        "titanium fist, spare battery, jet engine, broken android, laser cutter, turbo piston, circuit board",
        "build a robot from vending machines, win the scrap league, upgrade a jealous android, "
        "outrun the delivery drones, rewire the arena, launch a rocket from the roof",
        "a citywide blackout, the champion's rematch, a factory recall, an army of toasters",
    ),
    "bakery": _theme(
        "Slice of Life",
        "baker, pastry apprentice, dairy farmer, tea seller, retired chef",
        "the corner bakery, the hillside mill, the morning market, the brick oven kitchen, the old tea room",
        "sourdough loaf, chestnut tart, rolling pin, jar of plum jam, copper kettle, recipe book, basket of figs",
        "bake bread before the town wakes, rescue a fallen soufflé, feed a sleepy neighbourhood, "
        "write down grandmother's recipes, sell the last chestnut tart, knead dough to the radio",
        "a broken oven, the harvest fair, a visit from the landlord, the week without flour",
    ),
    "bathhouse": _theme(
        "Slice of Life",
        "bathhouse attendant, towel folder, boiler keeper, night watchman, travelling painter",
        "the steaming bathhouse, the boiler cellar, the tiled hall, the foot-bath alley, the mountain spring",
        "wooden bucket, bar of yuzu soap, rubber duck, steam valve, painted tile, bottle of cold milk, slipper shelf",
        "scrub the tiles at midnight, mend the ancient boiler, teach tourists to whistle in the steam, "
        "paint a mountain on the wall, collect lost slippers, invent a bath for every weekday",
        "a dried-up spring, the inspector's visit, a rival spa, the great soap shortage",
    ),
    "rowing": _theme(
        "Sports",
        "coxswain, rowing captain, boat builder, substitute rower, river coach",
        "the misty river, the boathouse, the regatta course, the willow bend, the training pier",
        "cedar oar, racing shell, stopwatch, team jacket, rope of medals, megaphone, blister tape",
        "row upstream before school, find the rhythm of eight oars, repair an abandoned shell, "
        "call the stroke through rain, train with a broken stopwatch, cross the line together",
        "the autumn regatta, a cracked oar, the river in flood, a captain's farewell",
    ),
    "climbing": _theme(
        "Sports",
        "rope climber, mountain guide, parkour runner, gym rival, record holder",
        "the climbing hall, the limestone wall, the cloud ridge, the rooftop course, the base camp",
        "chalk bag, carabiner, trophy, energy drink, sponsor banner, helmet camera, climbing shoe",
        "beat the wall record, climb without a rope partner, outscore the national champion, "
        "train on the school roof, win the sponsor cup, leap across the final gap",
        "the televised finals, a sprained wrist, the impossible overhang, a rival's challenge",
    ),
    "night library": _theme(
        "Mystery",
        "night librarian, bookbinder, archivist, blind translator, amateur detective",
        "the night library, the map room, the hidden archive, the spiral stacks, the reading tower",
        "unsigned diary, inkwell, library card, torn map, cipher wheel, leather ledger, ribbon bookmark",
        "decipher a diary with missing pages, return books to vanished readers, catalogue dreams, "
        "find the author of an empty novel, read by candle until morning, trace a forged map",
        "a fire among the ledgers, the case of the silent readers, an erased name, the closing of the stacks",
    ),
    "clock city": _theme(
        "Mystery",
        "clockmaker, pocket-watch thief, tower guard, private investigator, street reporter",
        "the clock tower, the pawn shop, the gaslight arcade, the frozen plaza, the mayor's vault",
        "pocket watch, minute hand, master key, forged ticket, secret gear, alarm bell, marble chessboard",
        "chase a thief across the gears, stop the bells at midnight, crack the mayor's vault, "
        "trick a trickster, rewind the stolen hour, unmask the masked accountant",
        "a missing hour, the mayor's ransom, a chain of false alarms, the grand auction",
    ),
    "archipelago": _theme(
        "Adventure",
        "cabin boy, island cartographer, whale singer, harbour orphan, old navigator",
        "the thousand islands, the coral harbour, the driftwood inn, the whale road, the lighthouse reef",
        "compass, message in a bottle, patched sail, conch shell, fishing net, tide table, driftwood raft",
        "chart an island that moves, sing to the whales, sail by the smell of rain, "
        "bring a lighthouse back to life, barter shells for passage, search for a drowned city",
        "a season of storms, the tide that never turns, a mutiny of gulls, the vanished ferry",
    ),
    "desert railway": _theme(
        "Adventure",
        "train conductor, treasure hunter, stowaway, sand pirate, steam mechanic",
        "the desert railway, the mirage station, the golden canyon, the dining carriage, the dune bazaar",
        "golden ticket, coal shovel, treasure crate, sand glider, dynamite plunger, steam whistle, bandit mask",
        "drive a train through a sandstorm, duel pirates on the roof, win a golden ticket at cards, "
        "blow up the wrong bridge, dig for a buried engine, outbluff the bandit queen",
        "a sandstorm of coins, the great train race, a bridge of glass, the bandit queen's birthday",
    ),
    "letters": _theme(
        "Romance",
        "letter writer, stationery clerk, shy violinist, night postman, widowed florist",
        "the stationery shop, the seaside post box, the lilac lane, the empty theatre, the ferry landing",
        "unsent letter, fountain pen, pressed violet, envelope, paper crane, borrowed umbrella, ribbon",
        "write love letters for strangers, answer a letter ten years late, walk home under one umbrella, "
        "press flowers between timetables, confess by the ferry landing, learn the handwriting of a friend",
        "a letter to the wrong address, the last ferry of summer, an arranged meeting, ten years of silence",
    ),
    "idol stage": _theme(
        "Romance",
        "pop idol, stage manager, dance coach, jealous guitarist, talent scout",
        "the idol academy, the rooftop stage, the recording studio, the glitter mall, the backstage corridor",
        "microphone, sequin jacket, hit single, backstage pass, glow stick, contract, limousine",
        "pretend to feud with the rival singer, debut before graduation, steal the encore, "
        "rehearse a duet for the camera, top the summer charts, hide a fan in the wardrobe",
        "a leaked photograph, the talent audition, a cancelled tour, the love clause in the contract",
    ),
    "umbrella club": _theme(
        "Comedy",
        "club president, transfer student, exchange pupil, homeroom teacher, timid treasurer",
        "the lost-property room, the school rooftop, the music room, the vegetable patch, the old gymnasium",
        "forgotten umbrella, club stamp, cardboard costume, lunch box, rain boot, minutes book, paper lantern",
        "return umbrellas to their owners, save a club of two members, stage a play about weather, "
        "befriend the caretaker's dog, count raindrops for science, plan a picnic in a typhoon",
        "the culture festival, a vote to close the club, a month of rain, the principal's riddle",
    ),
    "cat cafe": _theme(
        "Comedy",
        "cat barista, talking tomcat, snack reviewer, lazy magician, prank champion",
        "the cat café, the prank shop, the karaoke tower, the haunted arcade, the noodle stall",
        "whipped cream, squeaky toy, karaoke machine, fake moustache, giant pudding, lottery ticket, claw machine",
        "win an eating contest, hide forty cats from the landlord, swap bodies with a tomcat, "
        "summon a ghost for customers, rig the claw machine, open a branch on the moon",
        "an avalanche of pudding, the karaoke war, a plague of hiccups, the landlord's allergy",
    ),
}

MOODS: dict[str, Mood] = {
    "tender": _mood(
        "gentle, patient, wistful, soft-spoken, warm, careful",
        "slowly, tenderly, quietly, over many seasons",
        "patience, forgiveness, gratitude, homesickness",
        "Some promises take a lifetime to keep. | In the end, what matters is who stays for tea. | "
        "What was broken is mended, stitch by stitch. | The quiet days turn out to be the treasured ones.",
    ),
    "wondrous": _mood(
        "luminous, starlit, dreamlike, silvery, hushed",
        "as if in a dream, beneath the stars, wide-eyed, in wonder",
        "wonder, longing, curiosity, awe",
        "Beyond the horizon, something answers. | Perhaps the sky was listening all along. | "
        "And so a door opens where no wall ever stood. | Not every riddle wishes to be solved.",
    ),
    "boastful": _mood(
        "dazzling, swaggering, thunderous, flashy, mighty",
        "with a bang, against all odds, in record time, at full power",
        "glory, fame, revenge, bravado",
        "Only the strongest will take the crown! | Let the greatest showdown begin! | "
        "Victory has never looked this good! | The legend starts right here!",
    ),
    "hurried": _mood(
        "frantic, breathless, jumbled, restless, clumsy",
        "in a rush, before anyone can blink, by accident, all at once",
        "panic, confusion, mischief, chaos",
        "Everything goes wrong, and then some more. | What could possibly happen next? | "
        "There is no time to explain! | Chaos ensues, again and again.",
    ),
}

PLAIN_ADJECTIVES: tuple[str, ...] = (
    "small", "old", "new", "tall", "young", "wooden", "red", "blue", "green", "distant", "simple", "second", "heavy",
    "empty", "familiar", "foreign", "early", "late", "ordinary", "local", "round", "narrow", "northern", "southern",
)  # fmt: skip
PLAIN_NOUNS: tuple[str, ...] = (
    "bench", "window", "photograph", "bicycle", "staircase", "coat", "garden gate", "notebook", "radio", "bridge",
    "calendar", "teacup", "ladder", "mirror", "blanket", "doorbell", "suitcase", "pocket knife", "cushion", "kettle",
    "newspaper", "paintbrush", "wheelbarrow", "shoelace", "postcard", "jar of buttons", "wardrobe", "kite",
    "piano stool",
)  # fmt: skip
RELATIVES: tuple[str, ...] = (
    "grandmother", "older sister", "younger brother", "uncle", "neighbour", "cousin", "best friend", "teacher",
    "aunt", "twin", "former mentor", "childhood friend", "grandfather", "landlady",
)  # fmt: skip
TRAITS: tuple[str, ...] = (
    "stubborn", "cheerful", "absent-minded", "punctual", "polite", "forgetful", "honest", "dramatic", "thrifty",
    "sleepy", "talkative", "reserved", "superstitious", "sharp-eyed", "generous", "competitive", "bookish", "witty",
)  # fmt: skip
HOBBIES: tuple[str, ...] = (
    "collecting bus tickets", "folding paper birds", "whistling", "growing beans", "stargazing", "repairing radios",
    "long walks", "crossword puzzles", "baking", "birdwatching", "skipping stones", "reading almanacs", "knitting",
    "photographing clouds", "playing the ocarina", "drawing maps", "swimming", "naming stray cats",
)  # fmt: skip
LOOKS: tuple[str, ...] = (
    "short chestnut hair", "long silver hair", "a scar on one thumb", "round glasses", "two uneven braids",
    "a coat two sizes too large", "bright green eyes", "a freckled nose", "ink-stained fingers", "a red scarf",
    "curly black hair", "a straw hat", "mismatched socks", "a crooked smile", "grey eyes", "a star-shaped hairpin",
)  # fmt: skip
BOOKS: tuple[str, ...] = (
    "The Almanac of Tides", "Songs for a Slow Morning", "A Manual of Small Repairs", "The Glass Orchard",
    "Nine Ways to Boil Rain", "The Shepherd's Timetable", "Letters to a Lighthouse", "An Atlas of Echoes",
)  # fmt: skip
PUBLISHERS: tuple[str, ...] = (
    "Paper Kite Press", "Harbour Lane Pictures", "Little Comet", "Official Site", "Maple & Moth", "Nightjar Home Video",
)  # fmt: skip

FAMILY_NAMES: tuple[tuple[str, str], ...] = (
    ("Hoshikawa", "星川"), ("Amanuma", "天沼"), ("Kazehaya", "風早"), ("Tsukimori", "月森"), ("Shiratori", "白鳥"),
    ("Minase", "水瀬"), ("Asagiri", "朝霧"), ("Kurosawa", "黒沢"), ("Yukimura", "雪村"), ("Haneda", "羽田"),
    ("Omori", "大森"), ("Izumi", "泉"), ("Fujisaki", "藤咲"), ("Kagami", "鏡"), ("Nakatani", "中谷"),
    ("Soramori", "空守"), ("Tachibana", "橘"), ("Umino", "海野"), ("Wakaba", "若葉"), ("Inubushi", "犬伏"),
    ("Edogawa", "江戸川"), ("Ryuzaki", "竜崎"), ("Matsunaga", "松永"), ("Kinoshita", "木下"), ("Serizawa", "芹沢"),
    ("Okabe", "岡部"), ("Hidaka", "日高"), ("Momose", "百瀬"), ("Natsume", "夏目"), ("Toono", "遠野"),
)  # fmt: skip
GIVEN_NAMES: tuple[tuple[str, str, str], ...] = (
    ("Mio", "澪", "she"), ("Haru", "春", "she"), ("Sora", "空", "he"), ("Ren", "蓮", "he"), ("Nagi", "凪", "she"),
    ("Kaede", "楓", "she"), ("Itsuki", "樹", "he"), ("Towa", "永遠", "she"), ("Riku", "陸", "he"),
    ("Yuzu", "柚", "she"),
    ("Asahi", "朝日", "he"), ("Chihaya", "千早", "she"), ("Daichi", "大地", "he"), ("Emi", "笑", "she"),
    ("Fumi", "文", "she"), ("Genta", "源太", "he"), ("Hinata", "日向", "he"), ("Iori", "庵", "he"),
    ("Juri", "樹里", "she"),
    ("Kohaku", "琥珀", "he"), ("Luca", "流花", "she"), ("Makoto", "誠", "he"), ("Nozomi", "望", "she"),
    ("Ouka", "桜花", "she"),
    ("Piko", "ピコ", "he"), ("Rei", "零", "she"), ("Shion", "詩音", "she"), ("Tamaki", "環", "he"),
    ("Uta", "詩", "she"),
    ("Wataru", "渡", "he"), ("Yashiro", "社", "he"), ("Zen", "禅", "he"),
)  # fmt: skip
TITLE_NOUNS: tuple[tuple[str, str, str], ...] = (
    ("Akari", "灯り", "Lamplight"), ("Minato", "港", "Harbour"), ("Kaze", "風", "Wind"), ("Yoru", "夜", "Night"),
    ("Hoshi", "星", "Star"), ("Pan", "パン", "Bread"), ("Tegami", "手紙", "Letter"), ("Ryuu", "竜", "Dragon"),
    ("Kasa", "傘", "Umbrella"), ("Tokei", "時計", "Clock"), ("Neko", "猫", "Cat"), ("Tetsudou", "鉄道", "Railway"),
    ("Shima", "島", "Island"), ("Kagi", "鍵", "Key"), ("Niwa", "庭", "Garden"), ("Yane", "屋根", "Rooftop"),
    ("Kujira", "鯨", "Whale"), ("Ame", "雨", "Rain"), ("Haguruma", "歯車", "Gearwheel"), ("Kawa", "川", "River"),
    ("Chizu", "地図", "Map"), ("Mori", "森", "Forest"), ("Tsuki", "月", "Moon"), ("Hon", "本", "Book"),
    ("Sakamichi", "坂道", "Hillside"), ("Bansho", "晩鐘", "Evening Bell"), ("Yuge", "湯気", "Steam"),
    ("Ito", "糸", "Thread"),
    ("Kumo", "雲", "Cloud"), ("Tobira", "扉", "Door"), ("Fune", "舟", "Boat"), ("Suna", "砂", "Sand"),
    ("Hana", "花", "Flower"), ("Uta", "歌", "Song"), ("Kagami", "鏡", "Mirror"), ("Natsu", "夏", "Summer"),
    ("Fuyu", "冬", "Winter"), ("Michi", "道", "Road"), ("Tori", "鳥", "Bird"), ("Kaigara", "貝殻", "Seashell"),
)  # fmt: skip
TITLE_ADJECTIVES: tuple[tuple[str, str, str], ...] = (
    ("Aoi", "青い", "Blue"), ("Chiisana", "小さな", "Little"), ("Tooi", "遠い", "Faraway"), ("Nagai", "長い", "Long"),
    ("Shizuka na", "静かな", "Quiet"), ("Kieta", "消えた", "Vanished"), ("Saigo no", "最後の", "Last"),
    ("Nanatsu no", "七つの", "Seven-fold"), ("Amai", "甘い", "Sweet"), ("Wasureta", "忘れた", "Forgotten"),
)  # fmt: skip
STUDIOS: tuple[str, ...] = (
    "Studio Kakehashi", "Umbrella Works", "Seventh Kettle", "Northlight Animation", "Paper Moth", "Studio Hikidashi",
    "Blue Ladder", "Marble Fox", "Tin Comet", "Studio Yuunagi", "Cloudberry", "Red Thimble", "Quiet Engine",
    "Gogo Pixels",
    "Mushroom Parade", "Velvet Whale",
)  # fmt: skip
PRODUCERS: tuple[str, ...] = (
    "Paper Kite Press", "Harbour Lane Pictures", "Nightjar Home Video", "Little Comet", "TV Minashima", "Radio Lantern",
    "Maple & Moth", "Orchard Rights", "Echo Atlas Music", "Tidewater Games",
)  # fmt: skip
