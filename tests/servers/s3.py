"""An S3 server for the tests: moto, in memory, on a free port of the loopback.

Its own server answers requests side by side, so that two conditional puts can both win; here they are answered one at a time.
Signatures are checked: whoever signs with another secret is refused.

Prints one line of JSON: endpoint, access_key, secret_key. Then each line it reads names a bucket, which it makes and prints
again. When its input ends it is gone: it never outlives the tests that started it.
"""

import json
import os
import sys
import threading
import traceback
from urllib.parse import parse_qsl, quote
from urllib.request import Request, urlopen

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

REGION = "us-east-1"
EVERYTHING_OF_S3 = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}]}

one_at_a_time = threading.Lock()
moto = DomainDispatcherApplication(create_backend_app)


def answer(environ, start_response):
    with one_at_a_time:
        return list(moto(environ, start_response))


def canonical(query):
    pairs = parse_qsl(query, keep_blank_values=True)
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


class Conversation(MotoRequestHandler):
    def make_environ(self):
        # S3 takes a + in a query for a blank and * for %2A, also where it checks the signature; moto would not.
        path, mark, query = self.path.partition("?")
        self.path = path + mark + canonical(query)
        return super().make_environ()

    def log_request(self, *_):
        pass


def client(service, endpoint, access_key, secret_key):
    keys = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key}
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, **keys)


def user(endpoint):
    """A user of S3, after whose making no request goes unchecked."""
    iam = client("iam", endpoint, "anybody", "anything")
    iam.create_user(UserName="ctwa")
    iam.put_user_policy(UserName="ctwa", PolicyName="s3", PolicyDocument=json.dumps(EVERYTHING_OF_S3))
    key = iam.create_access_key(UserName="ctwa")["AccessKey"]
    # As a form, which is the default, it would not be understood.
    check_from_now_on = Request(endpoint + "/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})
    urlopen(check_from_now_on).close()
    return key["AccessKeyId"], key["SecretAccessKey"]


def main():
    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=Conversation)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.port}"
    access_key, secret_key = user(endpoint)
    s3 = client("s3", endpoint, access_key, secret_key)
    print(json.dumps({"endpoint": endpoint, "access_key": access_key, "secret_key": secret_key}), flush=True)
    for line in sys.stdin:
        s3.create_bucket(Bucket=line.strip())
        print(line.strip(), flush=True)


try:
    main()
    code = 0
except BaseException:
    traceback.print_exc()
    code = 1
# Also while a request is still being answered.
os._exit(code)
