// An Azure Blob server for the tests: Azurite, in memory, on a free port of the loopback, with an account and a key of its own.
//
// Prints one line of JSON: endpoint, account, key. Then each line it reads names a container, which it makes and prints again.
// When its input ends it is gone: it never outlives the tests that started it.
//
// The first argument is the folder in which Azurite is installed.
"use strict";

const crypto = require("crypto");
const http = require("http");
const path = require("path");
const readline = require("readline");

const [, , installed] = process.argv;
const account = "ctwatest";
const key = crypto.randomBytes(64).toString("base64");

process.env.AZURITE_ACCOUNTS = `${account}:${key}`;
process.argv = [
  ...process.argv.slice(0, 2),
  ...["--blobHost", "127.0.0.1", "--blobPort", "0", "--silent", "--inMemoryPersistence", "--disableTelemetry"],
  // Clients may speak a newer dialect than this version knows.
  "--skipApiVersionCheck",
];
const { BlobServerFactory } = require(path.join(installed, "node_modules/azurite/dist/src/blob/BlobServerFactory"));

// https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
function makeContainer(endpoint, container) {
  const url = new URL(`${endpoint}/${container}?restype=container`);
  const headers = { "x-ms-date": new Date().toUTCString(), "x-ms-version": "2023-11-03" };
  const signed = ["PUT", ...Array(11).fill("")];
  signed.push(...Object.entries(headers).map(([name, value]) => `${name}:${value}`));
  // The account stands twice: as the owner, and in the path of this kind of endpoint.
  signed.push(`/${account}${url.pathname}`, "restype:container");
  const signature = crypto.createHmac("sha256", Buffer.from(key, "base64")).update(signed.join("\n")).digest("base64");
  headers.Authorization = `SharedKey ${account}:${signature}`;
  headers["Content-Length"] = 0;
  return new Promise((made, failed) => {
    const request = http.request(url, { method: "PUT", headers }, (response) => {
      response.resume();
      response.on("end", () => (response.statusCode === 201 ? made() : failed(new Error(`HTTP ${response.statusCode}`))));
    });
    request.on("error", failed);
    request.end();
  });
}

async function main() {
  const server = await new BlobServerFactory().createServer();
  await server.start();
  const endpoint = `${server.getHttpServerAddress()}/${account}`;
  console.log(JSON.stringify({ endpoint, account, key }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    await makeContainer(endpoint, line.trim());
    console.log(line.trim());
  }
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
