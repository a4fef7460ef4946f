"""What jsonschema says of files: from stdin {"schema": ..., "files": [...]}; to stdout a list, whether each is valid."""

import json
import sys

import jsonschema

job = json.load(sys.stdin)
jsonschema.Draft7Validator.check_schema(job["schema"])
validator = jsonschema.Draft7Validator(job["schema"])
json.dump([validator.is_valid(file) for file in job["files"]], sys.stdout)
