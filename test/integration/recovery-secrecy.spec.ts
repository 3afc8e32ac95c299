import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Console } from '@app/client'
import { makeRecoveryAgent, type RecoveryAgent } from '../helpers/recovery-agent.js'
import { approveAs, archiveKey, holdAgents, type AgentHolder, type ArchivedTestKey } from '../helpers/recoveries.js'
import { createCaller, type HttpCaller } from '../helpers/http-calls.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

interface Schema {
  readonly $ref?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
}

interface Operation {
  readonly responses?: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema?: Schema }>> }>
  >
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components?: { readonly schemas?: Readonly<Record<string, Schema>> }
}

/**
 * Members whose names say that a key, a share, or something sealed is in them. A new one that is named so has to be on the
 * list below, with what it is.
 */
const KEY_MATERIAL = /share|sealed|envelope|package|^part$|binding|secret|private|pkcs8|pkcs12|pfx|blob/i

/** What carries key material, all of it encrypted: the delivery, and to an agent the agent's own parts. */
const CARRIERS = {
  'GET /api/v1/recoveries/{id}/package': ['package', 'shares', 'shares.share'],
  'GET /api/v1/recoveries/{id}/share': ['binding', 'part'],
  'GET /api/v1/reseals/{id}/new-parts': ['items.binding', 'items.part'],
  'GET /api/v1/reseals/{id}/parts': ['items.binding', 'items.part']
} as const

/** Messages that accounts send each other, as their senders sealed them; nothing of the archive. */
const MESSAGES = {
  'GET /api/v1/mq/dead-letter': ['items.envelope'],
  'GET /api/v1/mq/journal': ['items.envelope'],
  'GET /api/v1/mq/queues/{queue}/messages': ['items.envelope'],
  'GET /api/v1/mq/queues/{queue}/{kept}': ['items.envelope'],
  'POST /api/v1/mq/queues/{queue}/receive': ['items.envelope']
} as const

/** Members that are named so and carry none. */
const HARMLESS: Readonly<Record<string, string>> = {
  sealedAt: 'a time',
  privateKeyFlags: 'what a template demands of keys'
}

let server: TestServer
let holders: readonly AgentHolder[]
let officer: TestPrincipal
let console: Console
let key: ArchivedTestKey
let recipient: RecoveryAgent
let call: HttpCaller
let document: Document

beforeAll(async () => {
  server = await startTestServer()
  holders = await holdAgents(server)
  officer = await server.addOperator('officer')
  console = server.operate(officer)
  key = await archiveKey(server)
  recipient = await makeRecoveryAgent('Recipient')
  call = createCaller(server)
  document = (await call({ path: '/api/openapi.json' })).json<Document>()
})

afterAll(async () => {
  await call.close()
  await console[Symbol.asyncDispose]()
  await server.stop()
})

/** The paths of every member of a schema, whatever it refers to. */
function membersOf(schema: Schema | undefined, path = '', seen: ReadonlySet<string> = new Set()): readonly string[] {
  if (schema === undefined) return []
  const { $ref, properties = {}, items, additionalProperties } = schema
  if ($ref !== undefined) {
    if (seen.has($ref)) return []
    const found = document.components?.schemas?.[$ref.replace('#/components/schemas/', '')]
    if (found === undefined) throw new Error(`${$ref} is nowhere in the document.`)
    return membersOf(found, path, new Set([...seen, $ref]))
  }
  const branches = [...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])]
  return [
    ...Object.entries(properties).flatMap(([name, member]) => {
      const at = path === '' ? name : `${path}.${name}`
      return [at, ...membersOf(member, at, seen)]
    }),
    ...membersOf(items, path, seen),
    ...(typeof additionalProperties === 'object' ? membersOf(additionalProperties, path, seen) : []),
    ...branches.flatMap(branch => membersOf(branch, path, seen))
  ]
}

const isMaterial = (path: string): boolean => {
  const name = path.split('.').at(-1) ?? ''
  return KEY_MATERIAL.test(name) && !Object.hasOwn(HARMLESS, name)
}

describe('the answers of the API', () => {
  it('carry key material in the delivery of a recovery, in an agent’s own shares, and nowhere else', () => {
    const carriers: Record<string, readonly string[]> = {}
    let schemas = 0
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, { responses = {} }] of Object.entries(operations)) {
        const bodies = Object.values(responses).flatMap(({ content = {} }) => Object.values(content))
        schemas += bodies.length
        const found = [...new Set(bodies.flatMap(({ schema }) => membersOf(schema)).filter(isMaterial))].toSorted()
        if (found.length > 0) carriers[`${method.toUpperCase()} ${path}`] = found
      }
    }
    expect(schemas).toBeGreaterThan(60)
    expect(carriers).toEqual({ ...CARRIERS, ...MESSAGES })
  })

  it('have no byte of a share or of the sealed key in them, save where they should', async () => {
    const { id } = await console.recoveries.request({
      key: { request: key.requestId },
      reason: 'Lost.',
      ticket: 'T-1',
      recipient: recipient.certificate.raw
    })
    for (const holder of holders.slice(0, 2)) await approveAs(server, id, holder)
    await console.recoveries.release(id)
    const delivered = await console.recoveries.package(id)
    const stored = await server.sql<{ readonly bytes: Buffer }>(
      `SELECT sealed AS bytes FROM certkeep.sealed_key WHERE request_id = $1
       UNION ALL SELECT share FROM certkeep.recovery_share WHERE recovery_id = $2
       UNION ALL SELECT transferred FROM certkeep.recovery_approval WHERE recovery_id = $2`,
      [key.requestId, id]
    )
    expect(stored).toHaveLength(1 + 3 + 2)
    // Any 24 octets of the middle tell the one from everything else, in each form that JSON could have them.
    const traces = stored.flatMap(({ bytes }) => tracesOf(bytes))
    const everybody = await Promise.all(
      (['administrator', 'auditor', 'operator'] as const).map(role => server.addOperator(role))
    )
    const callers = [officer, key.owner, holders[2] as AgentHolder, ...everybody].map(one =>
      'person' in one ? one.person : one
    )
    const paths = Object.entries(document.paths).flatMap(([path, operations]) => ('get' in operations ? [path] : []))
    const leaks: string[] = []
    for (const path of paths) {
      const concrete = path
        .replace('{ca}', encodeURIComponent(server.ca.name))
        .replace(/\{(request|id)\}/g, path.includes('recoveries') ? String(id) : String(key.requestId))
        .replace(/\{\w+\}/g, '1')
      for (const { token } of callers) {
        const text = (await call({ path: concrete, token })).body.toString('latin1')
        if (traces.some(trace => text.includes(trace))) leaks.push(path)
      }
    }
    expect([...new Set(leaks)]).toEqual(['/api/v1/recoveries/{id}/package'])
    // What was delivered is found by the same traces, so that they can be trusted.
    expect(traces.some(trace => JSON.stringify(toText(delivered.package)).includes(trace))).toBe(true)
  })
})

const toText = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** Base64 in each of the three alignments, hexadecimal and the octets themselves. */
function tracesOf(bytes: Buffer): readonly string[] {
  const middle = Math.floor(bytes.length / 2)
  const pieces = [0, 1, 2].map(shift => bytes.subarray(middle + shift, middle + shift + 24))
  const [piece = bytes] = pieces
  return [...pieces.map(part => part.toString('base64')), piece.toString('hex'), piece.toString('latin1')]
}
