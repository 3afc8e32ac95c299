import { createPrivateKey } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openArchivedKeyBlob } from '@app/client'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { importKeys } from '../../apps/cli/src/client/key-import.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { runOpenssl } from './programs.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

let directory: WorkDirectory
let server: TestServer
let token: string

beforeAll(async () => {
  directory = await makeWorkDirectory()
  server = await startTestServer({ agents: 3 })
  token = await directory.put('token', (await server.addOperator('administrator')).token)
  await chmod(token, 0o600)
  await directory.put('root.pem', server.root)
  await mkdir(directory.at('archive'))
  // Everything that comes in is made by OpenSSL: the old CA, its recovery agents, and two people with their keys.
  for (const name of ['ca', 'agent', 'stranger', 'alice', 'bob']) await certificate(name)
  await recoveryBlob('alice', 'agent')
  await recoveryBlob('bob', 'stranger')
  await directory.put('password', 'old archive')
  await chmod(directory.at('password'), 0o600)
  const bob = ['-inkey', directory.at('bob.key'), '-in', directory.at('bob.pem')]
  const out = ['-out', directory.at('archive/bob.p12'), '-passout', `file:${directory.at('password')}`]
  await runOpenssl(['pkcs12', '-export', ...bob, ...out])
})

afterAll(async () => {
  await server.stop()
  await directory.remove()
})

describe('an archive that OpenSSL made, in the forms of certutil and of PKCS#12', () => {
  it('opens with the key of the old recovery agent', async () => {
    const blob = await readFile(directory.at('archive/alice.blob'))
    const privateKey = createPrivateKey(await readFile(directory.at('agent.key')))
    const opened = await openArchivedKeyBlob(blob, { privateKey })
    const alice = createPrivateKey(await readFile(directory.at('alice.key')))
    expect(opened.privateKey.equals(alice)).toBe(true)
    expect(opened.certificate).toBeDefined()
  })

  it('moves in: a line for each file, one that fails holds up none, and a second run does nothing twice', async () => {
    await writeFile(directory.at('archive/broken.p12'), Buffer.from('3003020103', 'hex'))
    const first = await moveIn()
    expect(first).toMatchObject({
      'alice.blob': { result: 'imported' },
      'bob.blob': { result: 'failed', code: 'cms_decrypt_failed' },
      'bob.p12': { result: 'imported' },
      'broken.p12': { result: 'failed', code: 'key_store_invalid' }
    })
    expect(await moveIn()).toMatchObject({
      'alice.blob': { result: 'done before' },
      'bob.blob': { result: 'failed' },
      'bob.p12': { result: 'done before' }
    })
    // Without the journal the server tells the same.
    expect(await moveIn({ journal: undefined })).toMatchObject({
      'alice.blob': { result: 'archived before', requestId: first['alice.blob']?.requestId },
      'bob.p12': { result: 'archived before' }
    })
    const rows = await server.sql<object>(
      `SELECT m.subject, r.state, s.mode FROM certkeep.imported_certificate AS m
       JOIN certkeep.request AS r ON r.id = m.request_id JOIN certkeep.sealed_key AS s ON s.request_id = m.request_id
       ORDER BY m.subject`
    )
    expect(rows).toEqual([
      { subject: 'CN=alice', state: 'issued', mode: 'threshold' },
      { subject: 'CN=bob', state: 'issued', mode: 'threshold' }
    ])
  })

  it('stays where it is when the password is wrong', async () => {
    const wrong = await directory.put('wrong', 'something else')
    await chmod(wrong, 0o600)
    expect(await moveIn({ journal: undefined, passwordFile: wrong })).toMatchObject({
      'bob.p12': { result: 'failed', code: 'key_store_locked' }
    })
  })
})

interface Line {
  readonly file: string
  readonly result: string
  readonly requestId?: number
  readonly code?: string
}

/** Runs the command on the folder; gives its lines by the names of the files. */
async function moveIn(changes: object = {}): Promise<Readonly<Record<string, Line>>> {
  const written: string[] = []
  const write = vi.spyOn(process.stdout, 'write').mockImplementation(chunk => {
    written.push(String(chunk))
    return true
  })
  try {
    const options = {
      url: server.url,
      trust: directory.at('root.pem'),
      tokenFile: token,
      ca: server.ca.name,
      template: 'UserEncryption',
      foreign: true,
      passwordFile: directory.at('password'),
      agentKey: directory.at('agent.key'),
      journal: directory.at('journal.jsonl'),
      output: 'json' as const,
      ...changes
    }
    await importKeys([directory.at('archive')], options, { say: () => undefined, progress: () => undefined })
  } finally {
    write.mockRestore()
    process.exitCode = undefined
  }
  const lines = written
    .join('')
    .split('\n')
    .filter(line => line.startsWith('{'))
    .map(line => JSON.parse(line) as Line)
  return Object.fromEntries(lines.map(line => [line.file.slice(join(directory.at('archive'), '/').length), line]))
}

/** A key and a certificate that it signed itself. */
async function certificate(name: string): Promise<void> {
  const files = ['-keyout', directory.at(`${name}.key`), '-out', directory.at(`${name}.pem`)]
  const usage = ['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'keyUsage=keyEncipherment']
  const kind = name === 'ca' ? [] : usage
  await runOpenssl([
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '30',
    '-subj',
    `/CN=${name}`,
    ...kind,
    ...files
  ])
}

/** What `certutil -getkey` gives: a SignedData of the CA, with the certificates, over the EnvelopedData for the agent. */
async function recoveryBlob(name: string, agent: string): Promise<void> {
  const at = (file: string): string => directory.at(file)
  await runOpenssl(['rsa', '-in', at(`${name}.key`), '-outform', 'MSBLOB', '-out', at('key.blob')])
  const sealed = ['-in', at('key.blob'), '-out', at('sealed.der'), '-outform', 'DER']
  await runOpenssl(['cms', '-encrypt', '-binary', '-aes256', ...sealed, at(`${agent}.pem`)])
  const signer = ['-signer', at('ca.pem'), '-inkey', at('ca.key'), '-certfile', at(`${name}.pem`)]
  const signed = ['-in', at('sealed.der'), '-out', at(`archive/${name}.blob`), '-outform', 'DER']
  await runOpenssl(['cms', '-sign', '-binary', '-nodetach', ...signer, ...signed])
}
