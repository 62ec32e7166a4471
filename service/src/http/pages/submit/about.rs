//! What each parameter is, in HPL's words: its unit, a sentence, the lesson that says more, its line in HPL.dat.

/// A parameter in words.
pub(in super::super) struct About {
    /// Its name on the wire.
    pub(in super::super) name: &'static str,
    pub(in super::super) unit: &'static str,
    pub(in super::super) sentence: &'static str,
    /// The page below `/learn/` that says more.
    pub(in super::super) topic: &'static str,
    /// Its line in HPL.dat.
    pub(in super::super) line: u8,
}

const fn about(name: &'static str, unit: &'static str, topic: &'static str, line: u8, sentence: &'static str) -> About {
    About { name, unit, sentence, topic, line }
}

/// All parameters: the four that every run needs, then the others in the order of HPL.dat.
pub(in super::super) const ABOUT: [About; 17] = [
    about(
        "n",
        "equations",
        "n",
        6,
        "How many equations are solved: twice as many need 4 times the memory, 8 times the work.",
    ),
    about(
        "nb",
        "columns",
        "nb",
        8,
        "The matrix is cut into blocks of this width: 128 to 256 usually serves a large matrix best.",
    ),
    about(
        "p",
        "rows of ranks",
        "grid",
        11,
        "P × Q ranks share the work; P is best a little smaller than Q, or the same.",
    ),
    about(
        "q",
        "columns of ranks",
        "grid",
        12,
        "P × Q ranks share the work; each runs on its share of the node's cores.",
    ),
    about("order", "", "grid", 9, "How ranks are numbered on the grid: row by row, or column by column."),
    about("pfact", "", "panel", 15, "How the narrowest parts of a panel are factored; a small effect."),
    about("nbmin", "columns", "panel", 17, "A panel is split until its parts are this narrow; a small effect."),
    about("ndiv", "parts", "panel", 19, "Into how many parts a panel is split at a time; a small effect."),
    about("rfact", "", "panel", 21, "How the parts of a panel are put together; a small effect."),
    about(
        "bcast",
        "",
        "broadcast",
        23,
        "The way a factored panel takes through its row of ranks; matters with several columns of ranks.",
    ),
    about(
        "depth",
        "panels",
        "depth",
        25,
        "How many panels are factored ahead of the update; 1 hides most of the waiting.",
    ),
    about(
        "swap",
        "",
        "swap",
        26,
        "How ranks exchange the rows that pivoting moves; matters with several rows of ranks.",
    ),
    about(
        "swap_threshold",
        "columns",
        "swap",
        27,
        "With the mix: up to this many columns by binary exchange, above by spread-roll.",
    ),
    about("l1", "", "storage", 28, "The form in which the upper block of a panel is stored."),
    about("u", "", "storage", 29, "The form in which the block row U is stored."),
    about("equil", "", "swap", 30, "Whether spread-roll evens out the shares of the rows of ranks."),
    about("align", "doubles", "storage", 31, "Columns begin in memory at multiples of this many numbers."),
];

/// What is known of a parameter; of one that is not known, nothing.
pub(in super::super) fn of(name: &str) -> Option<&'static About> {
    ABOUT.iter().find(|about| about.name == name)
}
