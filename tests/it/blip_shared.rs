//! Blip's own shared tables, read through `pipelines/blip-shared.toml` as it stands: no direction, days of Brasilia, a router and its
//! sub-bot that see one message under three ids.

use std::fs;
use std::path::Path;

use crate::lake::{self, Form, Lake, strings};
use crate::scene::identity_columns;

const CLICK: &str =
    r##"{"#wa.referral.source_id": "120226305854810726", "#wa.referral.source_type": "ad", "#wa.referral.headline": "Oferta"}"##;

/// A message: the bot whose it is, its id, who sent it, when, and its metadata.
type Message = (&'static str, &'static str, &'static str, &'static str, &'static str);

const ANA: &str = "5531988887777@wa.gw.msging.net";
const TUNNEL: &str = "0f3c@tunnel.msging.net";

/// By the day of Brasilia. The click is of the 1st there, and of the 2nd in UTC.
const MESSAGES: [(&str, &[Message]); 2] = [
    (
        "2026-10-01",
        &[
            ("loja@msging.net", "wamid.1", ANA, "2026-10-02T01:00:00.100Z", CLICK),
            // The router hands it on, and the sub-bot receives it from the tunnel.
            ("loja@msging.net", "7c1e", "loja@msging.net/router-1", "2026-10-02T01:00:00.200Z", CLICK),
            ("vendas@msging.net", "9a2b", "loja@msging.net", "2026-10-02T01:00:00.300Z", CLICK),
            ("vendas@msging.net", "wamid.1", TUNNEL, "2026-10-02T01:00:00.400Z", CLICK),
            // The answer, which quotes the ad.
            ("vendas@msging.net", "guid-1", "vendas@msging.net", "2026-10-02T01:00:02Z", CLICK),
            ("loja@msging.net", "guid-1", "vendas@msging.net/!1", "2026-10-02T01:00:02.100Z", CLICK),
            ("loja@msging.net", "wamid.2", ANA, "2026-10-02T01:05:00Z", r##"{"#wa.timestamp": "1790856300"}"##),
        ],
    ),
    ("2026-10-02", &[("loja@msging.net", "wamid.3", ANA, "2026-10-02T15:00:00Z", "{}")]),
];

fn write(root: &Path) {
    let file = |table: &str, day: &str| root.join(format!("lake/{table}/StorageDateDayBR={day}/part-0.parquet"));
    for (day, rows) in MESSAGES {
        let column = |cell: &dyn Fn(&Message) -> &'static str| strings(rows.iter().map(|row| Some(cell(row))));
        let columns = vec![
            ("OwnerIdentity", column(&|row| row.0)),
            ("Id", column(&|row| row.1)),
            ("FromIdentity", column(&|row| row.2)),
            ("StorageDate", column(&|row| row.3)),
            ("Metadata", column(&|row| row.4)),
        ];
        lake::write_file(&file("messages", day), columns, &Form::default());
        let events: &[&str] = if day == "2026-10-02" { &["Pagamento aprovado"] } else { &[] };
        let of_events = |cell: &'static str| strings(events.iter().map(|_| Some(cell)));
        let columns = vec![
            ("OwnerIdentity", of_events("vendas@msging.net")),
            ("Identity", of_events(TUNNEL)),
            ("Category", strings(events.iter().map(|category| Some(*category)))),
            ("StorageDate", of_events("2026-10-02T16:00:00Z")),
        ];
        lake::write_file(&file("eventtracks", day), columns, &Form::default());
    }
    lake::write_file(&root.join("lake/identities/part-0.parquet"), identity_columns(&[(None, TUNNEL, ANA)]), &Form::default());
}

#[test]
fn the_shared_tables_give_one_conversation_and_its_conversion() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let dir = folder.path().to_path_buf();
    write(&dir);
    let pipeline = dir.join("pipeline.toml");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/blip-shared.toml"), &pipeline).expect("the start is there");
    let lake = Lake { output: dir.join("lake/ctwa"), pipeline, dir };
    let says = |command: &str| {
        let ran = lake::ctwa(&lake, &[command, "pipeline.toml"]);
        assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
        let bots = "4 rows that bear an ad have a bot of the pipeline, or a member of one, as their contact";
        assert!(ran.stdout.contains(bots), "{command}: {}", ran.stdout);
    };
    ["check", "run", "run", "check"].iter().for_each(|command| says(command));
    let published = lake::read(&lake.output).expect("the output keeps the contract");
    let days: Vec<String> = published.ad_days.keys().map(ToString::to_string).collect();
    assert_eq!(days, ["2026-10-01", "2026-10-02"]);
    let figures: Vec<_> = published.ad_days.values().flatten().map(|row| (row.conversations, row.conversions)).collect();
    assert_eq!(figures, [(1, Some(0)), (0, Some(1))]);
    let of_bots: Vec<_> =
        published.bot_days.values().flatten().map(|row| (row.touches, row.duplicate_touches, row.rejected_rows)).collect();
    assert_eq!(of_bots, [(1, 1, 0), (0, 0, 0)]);
    assert!(published.bot_days.values().flatten().all(|row| row.complete), "days of arrival are the bot's");
}
