//! What the manual page says beside the commands: the environment, the files, and the keys of the pipeline file.

/// A heading of the page, with what stands below it: a term and its meaning each. A term without a meaning is a heading of its own.
pub(super) struct Chapter {
    pub title: &'static str,
    pub entries: &'static [(&'static str, &'static str)],
}

pub(super) const CHAPTERS: [Chapter; 3] = [
    Chapter { title: "ENVIRONMENT", entries: ENVIRONMENT },
    Chapter { title: "FILES", entries: FILES },
    Chapter { title: "PIPELINE FILE", entries: PIPELINE_FILE },
];

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "AWS_*, AZURE_*, GOOGLE_*",
        "Credentials, region and endpoint of the storage that url names, as the tools of its makers read them.",
    ),
    ("META_ACCESS_TOKEN", "The token with which Meta's figures are fetched; token_env names another variable."),
    ("CTWA_RETRY_TIMEOUT", "How many seconds a request to storage is tried again for."),
    ("COLUMNS", "The width of tables, wherever they go. Without it that of the terminal, also of one that a pager reads at."),
    ("LC_ALL, LC_NUMERIC, LANG", "How numbers are written at a terminal. Files and pipes have plain digits."),
    ("NO_COLOR, TERM", "No colours where NO_COLOR holds anything or TERM is dumb; with the latter no progress either."),
    ("", "No variable changes a figure."),
];

const FILES: &[(&str, &str)] = &[
    ("PIPELINE", "The pipeline file, TOML. See below."),
    (
        "ads/, ad_days/, ad_conversions/, bot_days/, reach/",
        "The published tables, below [output] url. An object per day, replaced at once.",
    ),
    ("runs/", "What each run that wrote anything did and found, as JSON, warnings and failures included."),
    ("rejected/", "Rows that were set aside, with the reason."),
    ("work/", "What runs keep to be faster. Safe to delete: it costs the next run time, never a figure."),
    ("state/", "What was accepted as the past, and the lock. Not safe to delete."),
    ("insights/_ledger", "In the lake, what was fetched from Meta and when. Not safe to delete."),
];

const PIPELINE_FILE: &[(&str, &str)] = &[
    ("", "Unknown keys are errors. Paths are relative to the file. Times carry an offset."),
    ("name", "The pipeline's name, in every result."),
    ("[lake]", ""),
    ("url", "s3://, az://, abfss://, gs://, file:/// or a path."),
    ("[inputs.messages], [inputs.events], [inputs.identities]", ""),
    ("path", "The table's folder in the lake. identities, the alias table, may be left out."),
    ("partition", "The pattern of the days' folders, \"date={date}\" unless said; of a Delta table its column."),
    ("partition_zone", "Whose days the folders are: an offset or a zone. UTC unless said."),
    ("marker", "A day has landed when this file is there, not before."),
    ("allow_missing", "Days that will never come."),
    ("ignore", "Names that are no data, such as \"*.csv\"."),
    ("null_words", "Words that mean nothing there."),
    ("[inputs.TABLE.columns], [insights.columns]", ""),
    (
        "NAME",
        "The lake's column for this one of ours: \"column\"; { column, key } for a field, a map's key or a key in JSON text; \
         { partition } for the key of a folder; { value } for a constant; or a list of these, of which the first non-blank counts. \
         Beside column: unit (s, ms, us) of integer times, zone of times without one, values = { ours = [\"theirs\"] } for words, \
         float = true to accept a float.",
    ),
    ("[insights]", ""),
    ("source", "\"landed\", where a loader lands Meta's daily figures, or \"marketing-api\", where ctwa fetches them."),
    ("path", "The table's folder in the lake."),
    ("absent_means_zero", "landed: a day's partition holds all accounts, so who has no row spent nothing."),
    ("token_env, token_file", "marketing-api: the variable or file that holds the token. Never the token itself."),
    ("app_secret_env", "marketing-api: the variable of the app's secret, where the app requires its proof."),
    ("base_url, api_version, timeout_seconds", "marketing-api: where and how Meta is asked, and how long one answer may take."),
    ("restate_days", "marketing-api: how many days Meta still changes a day's figures, 28 unless said."),
    ("refetch_after_hours", "marketing-api: a day is fetched at most this often."),
    ("reach_windows", "marketing-api: windows up to yesterday whose exact reach is fetched, [7, 28, 90] unless said."),
    ("[output]", ""),
    ("url", "Where the tables go: the folder ctwa in the lake unless said."),
    ("[attribution]", ""),
    ("window_days", "How long a session can convert, 1 to 90 days; 90 unless said."),
    ("[identity]", ""),
    ("forms", "What of a contact id is not the contact: node, device, digits, br-ninth-digit, mx-mobile-1, ar-mobile-9."),
    ("[engine]", ""),
    ("kind", "\"embedded\" unless said."),
    ("[quality]", ""),
    ("max_rejected_share", "The share of a partition's rows that may be set aside before it is refused, 0.01 unless said."),
    ("[[bots]]", ""),
    ("id", "The bot, as the tables name it."),
    ("members", "Further ids whose rows count as the bot's."),
    ("timezone", "Whose days its figures are: an IANA name."),
    ("ad_accounts", "The accounts of its ads."),
    ("test_contacts", "Contacts that count nowhere."),
    ("[[bots.conversion_events]]", ""),
    ("category", "The category of tracked events that is the conversion event from then on; case and accents matter."),
    ("effective_at", "From when on, a time with an offset. Add a table to change it; never edit one."),
];
