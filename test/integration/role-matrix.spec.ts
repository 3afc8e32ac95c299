import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isPermitted, OPERATOR_ROLES, PERMISSIONS, type OperatorRole, type Permission } from '@app/policy'
import { GroupStore } from '@app/storage'
import { createCaller, type HttpCall, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { startTestServer, type TestCa, type TestPrincipal, type TestServer } from '../helpers/server.js'

/** The routes of clients, each of which asks for an account and nothing else; but for those that ask for nobody. */
const CLIENT_ROUTES: Readonly<Record<string, 'account' | 'nobody'>> = {
  'GET /api/v1/cas': 'account',
  'GET /api/v1/cas/{ca}': 'account',
  'GET /api/v1/cas/{ca}/certificate': 'account',
  'GET /api/v1/cas/{ca}/properties/{property}': 'account',
  'POST /api/v1/cas/{ca}/requests': 'account',
  'GET /api/v1/cas/{ca}/requests/{id}': 'account',
  'DELETE /api/v1/cas/{ca}/requests/{id}': 'account',
  'GET /api/v1/cas/{ca}/requests/{id}/full-response': 'account',
  'GET /api/v1/cas/{ca}/requests/{id}/full-response/properties/{property}': 'account',
  'GET /api/v1/cas/{ca}/requests/{id}/certificate': 'account',
  'GET /api/v1/directory/encryption-certificates': 'account',
  'POST /api/v1/directory/users/me/certificates': 'account',
  'POST /api/v1/directory/users/me/certificate-nonces': 'account',
  'GET /api/v1/directory/users/{user}/certificates': 'account',
  'GET /api/v1/directory/users/{user}/certificates/{digest}': 'account',
  'DELETE /api/v1/directory/users/{user}/certificates/{digest}': 'account',
  'GET /api/v1/directory/users/{user}/mqusersigncerts': 'account',
  'POST /api/v1/mq/queues': 'account',
  'GET /api/v1/mq/queues': 'account',
  'GET /api/v1/mq/queues/{queue}': 'account',
  'PATCH /api/v1/mq/queues/{queue}': 'account',
  'DELETE /api/v1/mq/queues/{queue}': 'account',
  'POST /api/v1/mq/queues/{queue}/messages': 'account',
  'GET /api/v1/mq/queues/{queue}/messages': 'account',
  'POST /api/v1/mq/queues/{queue}/receive': 'account',
  'POST /api/v1/mq/queues/{queue}/messages/{id}/settle': 'account',
  'POST /api/v1/mq/queues/{queue}/sender-checks': 'account',
  'GET /api/v1/mq/queues/{queue}/{kept}': 'account',
  'DELETE /api/v1/mq/queues/{queue}/{place}': 'account',
  'DELETE /api/v1/mq/delegations/{id}': 'account',
  'DELETE /api/v1/mq/keys/{id}': 'account',
  'DELETE /api/v1/mq/security-contexts/{handle}': 'account',
  'GET /api/v1/mq/delegations': 'account',
  'GET /api/v1/mq/keys': 'account',
  'GET /api/v1/mq/security-contexts/{handle}': 'account',
  'POST /api/v1/mq/delegations': 'account',
  'POST /api/v1/mq/keys': 'account',
  'POST /api/v1/mq/queues/{queue}/messages:batch': 'account',
  'POST /api/v1/mq/security-contexts': 'account',
  'POST /api/v1/mq/token': 'account',
  'PUT /api/v1/mq/endpoints/{endpoint}': 'account',
  'GET /api/v1/mq/journal': 'account',
  'DELETE /api/v1/mq/journal': 'account',
  'GET /api/v1/mq/dead-letter': 'account',
  'GET /api/v1/errors/{hresult}': 'nobody',
  'GET /api/v1/recovery-notices': 'account',
  'POST /cmc/{ca}': 'account'
}

/** The routes of the console that ask for no credential, or bring their own. */
const PUBLIC_ROUTES: readonly string[] = [
  'GET /api/v1/session/sign-in',
  'GET /api/v1/session/callback',
  'POST /api/v1/invitations/redeem',
  'GET /enrol'
]

interface Operation {
  readonly 'x-certkeep-permission'?: string
  readonly 'x-certkeep-place'?: 'any' | 'all'
  readonly requestBody?: { readonly content: Readonly<Record<string, object>> }
}

interface Route {
  readonly name: string
  readonly method: Required<HttpCall>['method']
  readonly pattern: string
  readonly operation: Operation
}

/** Somebody who calls, and what is known of them. */
interface Caller {
  readonly who: string
  readonly principal?: TestPrincipal
  readonly roles: readonly OperatorRole[]
  readonly state: 'nobody' | 'good' | 'conflict' | 'disabled' | 'elsewhere'
}

/** What a call is answered with; `beyond` is whatever the route says once it lets the caller in. */
type Expected = 'beyond' | 'unauthenticated' | 'access_denied' | 'role_conflict' | 'not_found'

let server: TestServer
let otherCa: TestCa
let call: HttpCaller
let routes: readonly Route[]
let callers: readonly Caller[]

beforeAll(async () => {
  server = await startTestServer()
  otherCa = await server.addCa('Other CA')
  call = createCaller(server)
  const { paths } = (await call({ path: '/api/openapi.json' })).json<{
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  }>()
  routes = Object.entries(paths).flatMap(([pattern, operations]) =>
    Object.entries(operations).map(([method, operation]) => {
      const upper = method.toUpperCase() as Required<HttpCall>['method']
      return { name: `${upper} ${pattern}`, method: upper, pattern, operation }
    })
  )
  callers = await everyCaller()
})

afterAll(async () => {
  await call.close()
  await server.stop()
})

async function everyCaller(): Promise<readonly Caller[]> {
  const requester = await server.addPrincipal({}, { scopes: ['enroll', 'console'] })
  const holders = await Promise.all(
    OPERATOR_ROLES.map(async role => {
      const principal = await server.addOperator(role)
      return { who: role, principal, roles: [role], state: 'good' as const }
    })
  )
  const elsewhere = await Promise.all(
    OPERATOR_ROLES.map(async role => {
      const principal = await server.addOperator(role, { caId: otherCa.id })
      return { who: `${role} of another CA`, principal, roles: [role], state: 'elsewhere' as const }
    })
  )
  const both = await server.addOperator('administrator')
  await server.sql(
    `INSERT INTO certkeep.role_assignment (id, principal_id, role, granted_by, granted_at)
     VALUES (gen_random_uuid(), $1, 'officer', 'test', now())`,
    [both.row.id]
  )
  const disabled = await server.addOperator('administrator')
  const groups = new GroupStore((await server.database.open('console')).dataSource)
  await groups.setDisabled(disabled.row.id, true, { actor: 'test' }, new Date())
  return [
    { who: 'nobody', roles: [], state: 'nobody' },
    { who: 'a requester', principal: requester, roles: [], state: 'good' },
    ...holders,
    ...elsewhere,
    { who: 'one with two roles', principal: both, roles: ['administrator', 'officer'], state: 'conflict' },
    { who: 'a disabled administrator', principal: disabled, roles: ['administrator'], state: 'disabled' }
  ]
}

/** A value for each parameter of a path; none names anything that is there, but for the CA. */
function pathOf(pattern: string): string {
  const values: Readonly<Record<string, string>> = {
    ca: server.ca.name,
    hresult: '0x0',
    property: '1',
    serialNumber: 'ff',
    serial: 'ff',
    name: 'None'
  }
  return pattern.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(values[name] ?? (/^id$/.test(name) && pattern.includes('/requests/') ? '1' : unknownId))
  )
}

const unknownId = '00000000-0000-4000-8000-00000000ffff'

function callOf({ method, pattern, operation }: Route, principal: TestPrincipal | undefined): HttpCall {
  const types = Object.keys(operation.requestBody?.content ?? {})
  const isBinary = types.length > 0 && !types.includes('application/json')
  const body =
    method === 'GET' || types.length === 0
      ? {}
      : isBinary
        ? { headers: { 'content-type': types[0] ?? '' }, body: Buffer.from('3000', 'hex') }
        : { headers: { 'content-type': 'application/json' }, body: '{"no such member":1}' }
  return { method, path: pathOf(pattern), ...body, ...(principal === undefined ? {} : { token: principal.token }) }
}

function expectedOf({ name, pattern, operation }: Route, { state, roles }: Caller): Expected | undefined {
  const told = operation['x-certkeep-permission']
  if (told === undefined) {
    const needs = CLIENT_ROUTES[name]
    if (needs === undefined) return undefined
    return needs === 'account' && (state === 'nobody' || state === 'disabled') ? 'unauthenticated' : 'beyond'
  }
  if (told === 'public') return PUBLIC_ROUTES.includes(name) ? 'beyond' : undefined
  if (state === 'nobody' || state === 'disabled') return 'unauthenticated'
  if (state === 'conflict') return 'role_conflict'
  if (told === 'signed-in') return 'beyond'
  if (!Object.hasOwn(PERMISSIONS, told)) return undefined
  if (!roles.some(role => isPermitted(role, told as Permission))) return 'access_denied'
  if (state !== 'elsewhere') return 'beyond'
  if (operation['x-certkeep-place'] === 'all') return 'access_denied'
  return pattern.includes('{ca}') ? 'not_found' : 'beyond'
}

/** The answer of a call as the matrix tells of it. A route that lets the caller in finds nothing or objects to the body. */
async function answerOf(route: Route, { principal }: Caller): Promise<Expected> {
  const answer = await call(callOf(route, principal))
  if (answer.status < 400) return 'beyond'
  const { code } = answer.json<ToldProblem>()
  if (code === 'unauthenticated' || code === 'role_conflict') return code
  if (code === 'access_denied') return code
  return code === 'not_found' && route.pattern.includes('{ca}') ? 'not_found' : 'beyond'
}

describe('every route of the API', () => {
  it('says whom it lets in, or is on one of two short lists', () => {
    expect(routes.length).toBeGreaterThan(35)
    const { state, who, roles } = callers[0] as Caller
    const silent = routes.filter(route => expectedOf(route, { state, who, roles }) === undefined)
    expect(silent.map(({ name }) => name)).toEqual([])
    const names = new Set(routes.map(({ name }) => name))
    expect([...Object.keys(CLIENT_ROUTES), ...PUBLIC_ROUTES].filter(name => !names.has(name))).toEqual([])
  })

  it('lets in nobody else, whoever calls', async () => {
    const wrong: string[] = []
    for (const route of routes) {
      for (const caller of callers) {
        const expected = expectedOf(route, caller)
        const found = await answerOf(route, caller)
        // Who is let in may still be told that there is no such object.
        const isRight = found === expected || (expected === 'beyond' && found === 'not_found')
        if (!isRight) wrong.push(`${route.name} for ${caller.who}: ${found}, not ${expected}`)
      }
    }
    expect(wrong).toEqual([])
  })

  it('lets in each role where it should: no permission is nobody’s', () => {
    for (const permission of Object.keys(PERMISSIONS) as Permission[]) {
      expect(OPERATOR_ROLES.some(role => isPermitted(role, permission))).toBe(true)
    }
  })
})
