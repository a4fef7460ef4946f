"""Writes specification.json: the names of parameters and fields that ctwa and its tests may use, checked against Meta's
published specification. A name that is not there is an error.

    git clone https://github.com/facebook/facebook-business-sdk-codegen
    python3 specification.py facebook-business-sdk-codegen > specification.json

What the specification leaves to Meta's pages on the Graph API in general (paging, batches, debug_token) stands at the end, with
the page it is from.
"""

import json
import pathlib
import subprocess
import sys

# Object -> the fields that may be asked of it.
FIELDS = {
    "AdAccount": ["account_id", "account_status", "currency", "id", "name", "timezone_name"],
    "Ad": ["account_id", "adset", "adset_id", "campaign", "campaign_id", "effective_status", "id", "name"],
    "AdSet": ["effective_status", "id", "name"],
    "Campaign": ["effective_status", "id", "name"],
    "AdReportRun": [
        "async_percent_completion", "async_status", "error_code", "error_message", "error_subcode", "id",
    ],
    "AdsInsights": [
        "account_currency", "account_id", "actions", "ad_id", "ad_name", "adset_id", "adset_name", "campaign_id",
        "campaign_name", "clicks", "date_start", "date_stop", "frequency", "impressions", "inline_link_clicks", "reach",
        "spend",
    ],
}
# The edges that may be called; all their parameters are taken.
EDGES = [
    ("AdAccount", "GET", "insights"), ("AdAccount", "POST", "insights"), ("Ad", "GET", "insights"),
    ("Ad", "POST", "insights"), ("AdReportRun", "GET", "insights"), ("User", "GET", "adaccounts"),
    ("User", "GET", "permissions"),
]
ENUMS = ["Ad_effective_status", "AdRuleFilters_operator", "adaccountinsights_level_enum_param"]


def main(checkout: pathlib.Path) -> None:
    specs = checkout / "api_specs" / "specs"
    spec = {name: json.loads((specs / f"{name}.json").read_text()) for name in [*FIELDS, "User"]}
    for name, wanted in FIELDS.items():
        lacking = set(wanted) - {field["name"] for field in spec[name]["fields"]}
        if lacking:
            sys.exit(f"{name} has no fields {sorted(lacking)}")
    edges = {}
    for name, method, edge in EDGES:
        [api] = [api for api in spec[name]["apis"] if api["method"] == method and api.get("endpoint") == edge]
        edges[f"{name} {method} {edge}"] = sorted(parameter["name"] for parameter in api["params"])
    enums = {enum["name"]: sorted(enum["values"]) for enum in json.loads((specs / "enum_types.json").read_text())}
    commit = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    json.dump({
        "source": "https://github.com/facebook/facebook-business-sdk-codegen, api_specs/specs",
        "commit": commit.stdout.strip(),
        "version": "v25.0",
        "fields": FIELDS,
        "edges": edges,
        "enums": {name: enums[name] for name in ENUMS},
        "graph": {
            "every list (developers.facebook.com/docs/graph-api/results)": ["after", "before", "fields", "limit", "summary"],
            "every call (developers.facebook.com/docs/graph-api/securing-requests)": ["access_token", "appsecret_proof"],
            "batch (developers.facebook.com/docs/graph-api/batch-requests)": ["batch", "include_headers"],
            "debug_token (developers.facebook.com/docs/graph-api/reference/debug_token)": ["input_token"],
        },
    }, sys.stdout, indent=1)
    print()


main(pathlib.Path(sys.argv[1]))
