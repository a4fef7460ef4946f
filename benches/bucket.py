"""A world in a bucket of the tests' S3 server, where ctwa counts the requests that it makes.

Needs what `cargo test --locked --test it s3` installs below target/servers.
"""

import json
import subprocess
import sys

from lakes import TABLES
from timing import ROOT

PYTHON = ROOT / "target/servers/s3/bin/python"
UPLOAD = """
import json, sys, boto3
said, bucket = json.loads(sys.argv[1]), sys.argv[2]
keys = dict(aws_access_key_id=said["access_key"], aws_secret_access_key=said["secret_key"])
s3 = boto3.client("s3", endpoint_url=said["endpoint"], region_name="us-east-1", **keys)
for line in sys.stdin:
    path, key = line.rstrip("\\n").split("\\t")
    with open(path, "rb") as file:
        s3.put_object(Bucket=bucket, Key=key, Body=file.read())
"""


class Server:
    def __enter__(self):
        if not PYTHON.exists():
            sys.exit("there is no S3 server here: `cargo test --locked --test it s3` installs it")
        script = ROOT / "tests/servers/s3.py"
        self.child = subprocess.Popen([PYTHON, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = json.loads(self.child.stdout.readline())
        self.environment = {
            "AWS_ACCESS_KEY_ID": self.said["access_key"],
            "AWS_SECRET_ACCESS_KEY": self.said["secret_key"],
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.said["endpoint"],
            "AWS_ALLOW_HTTP": "true",
        }
        return self

    def __exit__(self, *_):
        # Its input ends, and it with it.
        self.child.stdin.close()
        self.child.wait()

    def bucket(self, name):
        self.child.stdin.write(name + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().strip()

    def upload(self, bucket, root, keys):
        """Parquet files below a folder, under keys that begin with what `keys` says of their table."""
        lines = []
        for table in TABLES:
            for path in sorted((root / table).rglob("*.parquet")):
                lines.append(f"{path}\t{keys(table)}/{path.relative_to(root / table)}\n")
        command = [PYTHON, "-c", UPLOAD, json.dumps(self.said), bucket]
        subprocess.run(command, input="".join(lines), text=True, check=True)


def requests_of(server, world, runs):
    """What each of the runs of a world asks of a store: counts by kind of run and of request. `runs` calls what it is given, which
    runs ctwa with a pipeline file and an environment, for each kind of run."""
    bucket = server.bucket(world.folder.name)
    world.take_back()
    server.upload(bucket, world.folder / "lake", lambda table: f"lake/{table}")
    text = world.pipeline.read_text()
    for name in ["lake", "out"]:
        text = text.replace(f'url = "{name}"', f'url = "s3://{bucket}/{name}"')
    pipeline = world.folder / "remote.toml"
    pipeline.write_text(text)
    counts = {"first": runs(pipeline, server.environment), "idle": runs(pipeline, server.environment)}
    server.upload(bucket, world.folder / "later", lambda table: f"lake/{table}/date={world.last}")
    counts["night"] = runs(pipeline, server.environment)
    return counts
