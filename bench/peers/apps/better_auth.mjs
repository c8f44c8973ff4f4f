// better-auth with Postgres, as its documentation sets it up: e-mail and password, Argon2id through @node-rs/argon2,
// the plugins `jwt` and `bearer`. `setup` makes the tables and prints users and sessions; a port serves.
import { createServer } from "node:http";
import { hash, verify } from "@node-rs/argon2";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins";
import pg from "pg";

const COSTS = { memoryCost: 19456, timeCost: 2, parallelism: 1 };
const PASSWORD = process.env.PEER_PASSWORD;

export const auth = betterAuth({
  baseURL: "http://localhost",
  secret: process.env.PEER_SECRET,
  database: new pg.Pool({ connectionString: process.env.PEER_DATABASE_URL, max: 10 }),
  emailAndPassword: {
    enabled: true,
    password: {
      hash: (password) => hash(password, COSTS),
      verify: ({ hash: stored, password }) => verify(stored, password),
    },
  },
  plugins: [jwt()],
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: "error" },
});

async function signedUp(number) {
  const email = `peer-${number}@example.com`;
  const answer = await auth.api.signUpEmail({
    body: { email, password: PASSWORD, name: "Peer" },
    asResponse: true,
  });
  return { email, cookie: answer.headers.getSetCookie()[0].split(";")[0] };
}

const [argument, number] = process.argv.slice(2);
if (argument === "setup") {
  await (await getMigrations(auth.options)).runMigrations();
  const people = [];
  for (let each = 0; each < Number(number); each += 1) people.push(await signedUp(each));
  console.log(
    JSON.stringify({ emails: people.map((each) => each.email), tokens: people.map((each) => each.cookie) }),
  );
  process.exit(0);
}
createServer(toNodeHandler(auth)).listen(Number(argument), "127.0.0.1");
