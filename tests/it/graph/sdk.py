"""Asks a Graph server with Meta's own client, and prints what it understood as JSON.

In the environment: GRAPH, the address of the server; TOKEN and APP_SECRET.
"""

import json
import os

from facebook_business.adobjects.ad import Ad
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adreportrun import AdReportRun
from facebook_business.adobjects.user import User
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

FacebookSession.GRAPH = os.environ["GRAPH"]
api = FacebookAdsApi.init(access_token=os.environ["TOKEN"], app_secret=os.environ["APP_SECRET"], api_version="v26.0")

ACCOUNT = ["account_id", "name", "timezone_name", "currency", "account_status"]
FIELDS = ["account_id", "ad_id", "account_currency", "spend", "impressions", "reach", "clicks", "actions"]
STATUSES = [value for name, value in vars(Ad.EffectiveStatus).items() if not name.startswith("_")]
DAILY = {
    "level": "ad",
    "time_increment": 1,
    "time_range": {"since": "2026-03-01", "until": "2026-03-04"},
    "filtering": [{"field": "ad.effective_status", "operator": "IN", "value": STATUSES}],
}


def refused(call):
    try:
        call()
    except FacebookRequestError as error:
        return [error.http_status(), error.api_error_code(), error.api_error_subcode()]
    return None


def plain(rows):
    return [row.export_all_data() for row in rows]


account = AdAccount("act_123")
run = account.get_insights(fields=FIELDS, params=DAILY, is_async=True)
statuses = []
while not statuses or statuses[-1] != ["Job Completed", 100]:
    run = run.api_get(fields=["async_status", "async_percent_completion"])
    statuses.append([run[AdReportRun.Field.async_status], run[AdReportRun.Field.async_percent_completion]])

tokens = []
batch = api.new_batch()
batch.add(
    "GET", ("debug_token",), params={"input_token": os.environ["TOKEN"]}, success=lambda answer: tokens.append(answer.json())
)
batch.execute()

print(json.dumps({
    "account": account.api_get(fields=ACCOUNT).export_all_data(),
    "accounts": plain(User("me").get_ad_accounts(fields=ACCOUNT, params={"limit": 1})),
    "permissions": plain(User("me").get_permissions()),
    "daily": plain(account.get_insights(fields=FIELDS, params={**DAILY, "limit": 4})),
    "statuses": statuses,
    "of_run": plain(run.get_insights(params={"limit": 4})),
    "ad": Ad("120226305854810725").api_get(fields=["account_id", "name", "effective_status", "adset{id,name}"]).export_all_data(),
    "of_ad": plain(Ad("120226305854810725").get_insights(
        fields=["account_id", "ad_id", "spend"], params={key: DAILY[key] for key in ("level", "time_increment", "time_range")}
    )),
    "reach": plain(account.get_insights(fields=["account_id", "ad_id", "reach", "impressions", "frequency"], params={
        "level": "ad", "time_ranges": [{"since": "2026-03-01", "until": "2026-03-07"}],
    })),
    "debug_token": tokens,
    "foreign": refused(lambda: Ad("120226305854810727").api_get(fields=["name"])),
    "unknown_field": refused(lambda: account.get_insights(fields=["no_such_field"], params=DAILY)),
}))
