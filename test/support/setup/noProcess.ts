import childProcess from "node:child_process"
import { syncBuiltinESMExports } from "node:module"
import net from "node:net"

/** Whatever starts a process or opens a socket throws: these tests are the fast ones. */
const refuse = (what: string) => () => {
  throw new Error(`A fast test ${what}: move it to a file that \`live\` in vitest.config.ts lists`)
}

net.Server.prototype.listen = refuse("listens on a port")
net.Socket.prototype.connect = refuse("opens a connection")
childProcess.spawn = refuse("starts a process")
childProcess.spawnSync = refuse("starts a process")
childProcess.exec = Object.assign(refuse("starts a process"), { __promisify__: refuse("starts a process") })
childProcess.execFile = Object.assign(refuse("starts a process"), { __promisify__: refuse("starts a process") })
childProcess.execFileSync = refuse("starts a process")
childProcess.fork = refuse("starts a process")
syncBuiltinESMExports()
