"""Figures that the papers print, so that ours can stand beside them.

Belongs here: numbers from the papers. Does not: any number of our own.
"""

FLOORS = ["1-2", "2-3", "3-4", "4-5", "5-6", "6-7", "7-8", "8-9", "9-10", "all"]

# Words of a synopsis by floor of the score: samples, max, min, mean (Paper A, Tables 1 and 8). What stands as the mean
# of `all` is the plain mean of the nine rows above it; weighted by samples they would give 108.88, 108.83 and 109.11.
SYNOPSIS_WORDS: dict[str, list[tuple[int, int, int, float]]] = {
    "all": [
        (2, 68, 55, 61.50),
        (6, 228, 25, 112.50),
        (11, 166, 24, 80.72),
        (80, 244, 25, 78.88),
        (925, 329, 24, 83.42),
        (3131, 397, 24, 97.35),
        (3021, 581, 24, 121.30),
        (596, 340, 29, 149.68),
        (12, 189, 133, 157.25),
        (7784, 581, 24, 104.73),
    ],
    "train": [
        (1, 55, 55, 55.0),
        (5, 228, 25, 124.6),
        (9, 166, 24, 82.22),
        (64, 244, 25, 75.53),
        (749, 329, 24, 81.4),
        (2539, 384, 24, 97.54),
        (2487, 581, 25, 121.14),
        (483, 340, 29, 151.38),
        (8, 188, 134, 157.75),
        (6345, 581, 24, 105.17),
    ],
    "test": [
        (1, 68, 68, 68.0),
        (1, 52, 52, 52.0),
        (2, 87, 61, 74.0),
        (16, 202, 27, 92.31),
        (176, 254, 26, 92.03),
        (592, 397, 25, 96.56),
        (534, 277, 24, 122.07),
        (113, 234, 35, 142.39),
        (4, 189, 133, 156.25),
        (1439, 397, 24, 99.51),
    ],
}

# Anime and characters that were crawled, and those that cleaning left; connected components over shared characters.
FUNNEL: dict[str, tuple[int, int]] = {"anime": (11873, 7784), "characters": (21329, 14682)}
CLUSTERS = 4089

# Anime in each part of the split.
PARTS = {"train": 6345, "test": 1439}

# Who plays where, by MyAnimeList's ids (Paper A, Table 7): one character of seven titles, and four that some share.
SHARED_CHARACTERS: dict[int, tuple[int, ...]] = {
    40: (21, 50410, 38234, 466, 25161, 5252, 22661),
    62: (21, 50410, 38234, 466),
    723: (21, 50410, 38234, 466),
    724: (21, 50410, 38234),
    305: (21, 50410, 38234),
}

SHARED_TITLES = SHARED_CHARACTERS[40]

# Words of a description: characters, max, min, mean (Paper A, Tables 2 and 9). Train and test add up to 17,456, more
# than the whole, although no main character may be in both.
DESCRIPTION_WORDS: dict[str, tuple[int, int, int, float]] = {
    "all": (14682, 3551, 4, 121.34),
    "train": (14168, 3551, 4, 120.51),
    "test": (3288, 2274, 4, 124.84),
}

# Paper A, Table 11, with R2 and MAE from the authors' reports; errors on the 0..1 scale.
RESULTS: dict[str, dict[str, float]] = {
    "full": {"unit_mean_squared_error": 0.01056, "spearman_score": 0.4309, "pearson_score": 0.4360,
             "kendall_score": 0.2970, "r2_score": 0.1866, "unit_mean_absolute_error": 0.0800},
    "synopsis": {"unit_mean_squared_error": 0.01161, "spearman_score": 0.3385, "pearson_score": 0.3279,
                 "kendall_score": 0.2300, "r2_score": 0.1058, "unit_mean_absolute_error": 0.0839},
    "descriptions": {"unit_mean_squared_error": 0.01151, "spearman_score": 0.3070, "pearson_score": 0.3409,
                     "kendall_score": 0.2097, "r2_score": 0.1139, "unit_mean_absolute_error": 0.0845},
    "portraits": {"unit_mean_squared_error": 0.02815, "spearman_score": 0.0964, "pearson_score": 0.1210,
                  "kendall_score": 0.0647, "r2_score": -1.1679, "unit_mean_absolute_error": 0.1322},
    "traditional": {"unit_mean_squared_error": 0.41286, "spearman_score": 0.1948, "pearson_score": 0.1832,
                    "kendall_score": 0.1298, "r2_score": -30.795, "unit_mean_absolute_error": 0.6327},
    # Paper B, on the raw scale.
    "hybrid": {"mean_squared_error": 0.6732, "mean_absolute_error": 0.6537,
               "mean_absolute_percentage_error": 9.4409},
}  # fmt: skip


def synopsis_words(part: str, floor: str) -> dict[str, float]:
    """Return the published figures of one row of Table 1 or 8.

    >>> synopsis_words("all", "6-7")["samples"], synopsis_words("all", "all")["mean_of_rows"]
    (3131.0, 104.73)
    """
    figures = SYNOPSIS_WORDS[part][FLOORS.index(floor)] if floor in FLOORS else ()
    mean = "mean_of_rows" if floor == FLOORS[-1] else "mean"
    return dict(zip(("samples", "max", "min", mean), map(float, figures), strict=False))
