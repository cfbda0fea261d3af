import { createSign, generateKeyPairSync, randomBytes } from "node:crypto";

/** A key and the certificate that it signed itself, in PEM. */
export interface Certificate {
  key: string;
  cert: string;
}

/** A certificate for 127.0.0.1 that is its own authority; made here, since not every machine has `openssl`. */
export function createCertificate(): Certificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const name = sequence(set(sequence(oid("550403"), text(0x0c, "kubernetes-stand-in"))));
  const algorithm = sequence(oid("2a8648ce3d040302"));
  const day = 24 * 60 * 60 * 1000;
  const body = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(randomBytes(8)),
    algorithm,
    name,
    sequence(time(Date.now() - day), time(Date.now() + day)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    explicit(
      3,
      sequence(
        sequence(
          oid("551d13"),
          tag(0x01, Buffer.from([0xff])),
          octets(sequence(tag(0x01, Buffer.from([0xff])))),
        ),
        // An address of four bytes.
        sequence(oid("551d11"), octets(sequence(tag(0x87, Buffer.from([127, 0, 0, 1]))))),
      ),
    ),
  );
  const signature = createSign("sha256").update(body).sign(privateKey);
  const der = sequence(body, algorithm, tag(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString("base64").match(/.{1,64}/g)!;
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
  };
}

function tag(type: number, content: Buffer): Buffer {
  const { length } = content;
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([type, ...size]), content]);
}

function sequence(...parts: Buffer[]): Buffer {
  return tag(0x30, Buffer.concat(parts));
}

function set(part: Buffer): Buffer {
  return tag(0x31, part);
}

function octets(content: Buffer): Buffer {
  return tag(0x04, content);
}

function explicit(number: number, content: Buffer): Buffer {
  return tag(0xa0 + number, content);
}

function oid(hex: string): Buffer {
  return tag(0x06, Buffer.from(hex, "hex"));
}

/** Positive: the first bit is a sign. */
function integer(bytes: Buffer): Buffer {
  return tag(0x02, bytes[0]! & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

function text(type: number, value: string): Buffer {
  return tag(type, Buffer.from(value));
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return text(0x17, digits.slice(2));
}
