// Which worker each validator's node runs: what fills `adversaries.toml`.
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binary } from "../../tests/js/lib/processes.mjs";

/**
 * A script that starts `malus-worker` with options of its own; nodes choose a worker's arguments
 * themselves.
 */
function malus(dir, name, options) {
	const path = join(dir, `worker-${name}`);
	const quoted = [binary("malus-worker"), ...options].map((one) => `'${one}'`).join(" ");
	writeFileSync(path, `#!/bin/sh\nexec ${quoted} "$@"\n`);
	chmodSync(path, 0o755);
	return path;
}

/**
 * The environment for `adversaries.toml`: `malus-worker` with these options by node, the real
 * worker for all others.
 */
export const workers = (dir, options) =>
	Object.fromEntries(
		["alice", "bob", "charlie", "dave"].map((name) => [
			`ASSAY_WORKER_${name.toUpperCase()}`,
			options[name] ? malus(dir, name, options[name]) : binary("assay-worker"),
		]),
	);
