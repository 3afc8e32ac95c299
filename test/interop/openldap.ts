import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Attribute, Change, Client } from 'ldapts'
import { findFreePort } from '../helpers/free-port.js'

/** An OpenLDAP server of a test, on a free port of this machine. */
export interface OpenLdap {
  readonly url: string
  readonly base: string
  readonly bindDn: string
  readonly password: string
  start(): Promise<void>
  stop(): Promise<void>
  /** Does something as the directory's manager. */
  manage<T>(work: (client: Client) => Promise<T>): Promise<T>
  /** Replaces the values of an attribute. */
  modify(dn: string, type: string, values: readonly (string | Buffer)[]): Promise<void>
  remove(): Promise<void>
}

const SLAPD = '/usr/sbin/slapd'
const MODULES = '/usr/lib/ldap'
const SCHEMAS = '/etc/ldap/schema'
const base = 'dc=corp,dc=example'
const bindDn = `cn=manager,${base}`
const password = 'of the test'

/** Makes the files of a server, which is not started yet. Throws when there is no slapd. */
export async function makeOpenLdap(): Promise<OpenLdap> {
  if (!existsSync(SLAPD)) throw new Error(`There is no ${SLAPD}; run .ci/install.`)
  const home = mkdtempSync(join(tmpdir(), 'certkeep-slapd-'))
  mkdirSync(join(home, 'data'))
  const port = await findFreePort()
  const url = `ldap://127.0.0.1:${port}`
  const schemas = ['core', 'cosine', 'inetorgperson', 'nis'].map(name => `include ${SCHEMAS}/${name}.schema`)
  const settings = [
    ...schemas,
    `modulepath ${MODULES}`,
    'moduleload back_mdb',
    `pidfile ${home}/slapd.pid`,
    'database mdb',
    `suffix "${base}"`,
    `rootdn "${bindDn}"`,
    `rootpw "${password}"`,
    `directory ${home}/data`
  ]
  writeFileSync(join(home, 'slapd.conf'), `${settings.join('\n')}\n`)
  let running: ChildProcess | undefined
  const stop = async (): Promise<void> => {
    if (running === undefined) return
    const ended = once(running, 'exit')
    running.kill('SIGTERM')
    await ended
    running = undefined
  }
  const manage = async <T>(work: (client: Client) => Promise<T>): Promise<T> => {
    const client = new Client({ url })
    try {
      await client.bind(bindDn, password)
      return await work(client)
    } finally {
      await client.unbind()
    }
  }
  return {
    url,
    base,
    bindDn,
    password,
    async start() {
      running = spawn(SLAPD, ['-f', join(home, 'slapd.conf'), '-h', url, '-d', '0'], { stdio: 'ignore' })
      await answers(port)
    },
    stop,
    manage,
    modify(dn, type, values) {
      const bytes = values.map(value => Buffer.from(value))
      const change = new Change({ operation: 'replace', modification: new Attribute({ type, values: bytes }) })
      return manage(client => client.modify(dn, change))
    },
    async remove() {
      await stop()
      rmSync(home, { recursive: true })
    }
  }
}

async function answers(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect(port, '127.0.0.1')
    const isThere = await Promise.race([
      once(socket, 'connect').then(() => true),
      once(socket, 'error').then(() => false)
    ]).catch(() => false)
    socket.destroy()
    if (isThere) return
    await pause(50)
  }
  throw new Error('slapd does not answer.')
}
