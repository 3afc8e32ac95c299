import { type Console, type TemplateDetails } from '@app/client'
import { builtInTemplates, encodeTemplate, type CertificateTemplate } from '@app/templates'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { submitBytes } from '../helpers/submission.js'

const refused = (code: string) => expect.objectContaining({ code })
const [, signature] = builtInTemplates() as [CertificateTemplate, CertificateTemplate]
const team = { ...signature, name: 'Team', displayName: 'Team', oid: '2.25.1001' }

let server: TestServer
let author: Console
let activator: Console
let auditor: Console
let authorName: string
beforeAll(async () => {
  server = await startTestServer()
  const people = await Promise.all([server.addOperator('administrator'), server.addOperator('administrator')])
  ;[author, activator] = people.map(principal => server.operate(principal)) as [Console, Console]
  auditor = server.operate(await server.addOperator('auditor'))
  authorName = `EXAMPLE\\${people[0].row.accountName}`
})
afterAll(async () => {
  for (const console of [author, activator, auditor]) await console[Symbol.asyncDispose]()
  await server.stop()
})

const enroll = async (name: string) => {
  const request = await pkcs10Request({ template: name })
  return submitBytes(server, await server.addPrincipal(), request, 'application/pkcs10')
}
const audited = (id: number) =>
  server.sql<{ readonly action: string; readonly actor: string }>(
    `SELECT action, actor FROM certkeep.audit_event WHERE object_type = 'template' AND object_id = $1 ORDER BY seq`,
    [String(id)]
  )

describe('a template version', () => {
  let draft: TemplateDetails

  it('is written by one person and made active by another; then it issues where it is offered', async () => {
    draft = await author.templates.add(encodeTemplate(team))
    expect(draft).toMatchObject({ name: 'Team', version: '100.1', state: 'draft', author: authorName, errors: 0 })
    await expect(author.templates.activate(draft.id)).rejects.toThrow(refused('activator_is_author'))
    await expect(activator.templates.offer('Team', server.ca.name)).rejects.toThrow(refused('not_found'))
    expect(await enroll('Team')).toMatchObject({ dispositionName: 'denied', lastStatus: '0x80094800' })

    expect(await activator.templates.activate(draft.id)).toMatchObject({ state: 'active', offeredAt: [] })
    await expect(activator.templates.activate(draft.id)).rejects.toThrow(refused('conflict'))
    await author.templates.offer('team', server.ca.name)
    await expect(author.templates.offer('Team', server.ca.name)).rejects.toThrow(refused('conflict'))
    expect((await author.templates.show(draft.id)).offeredAt).toEqual([server.ca.name])
    expect(await enroll('Team')).toMatchObject({ dispositionName: 'issued', template: 'Team' })
    expect((await audited(draft.id)).map(({ action }) => action)).toEqual(['template.added', 'template.activated'])
  })

  it('shows what each flag does and what the linter says', async () => {
    const details = await auditor.templates.show(draft.id)
    expect(details.definition).toEqual(encodeTemplate(team))
    expect(details.flags.subjectNameFlags.map(({ name }) => name)).toEqual([
      'SUBJECT_ALT_REQUIRE_UPN',
      'SUBJECT_ALT_REQUIRE_EMAIL',
      'SUBJECT_REQUIRE_COMMON_NAME'
    ])
    expect(details.findings).toEqual([])
  })

  it('is followed by another, which says what is new, retires it and can be taken back', async () => {
    const next = await author.templates.add({ ...encodeTemplate(team), minorVersion: 2, enrollmentFlags: 2 })
    const { differences } = await auditor.templates.diff(next.id, draft.id)
    expect(differences).toContainEqual({
      member: 'enrollmentFlags',
      attribute: 'msPKI-Enrollment-Flag',
      from: 0,
      to: 2,
      flags: ['+PEND_ALL_REQUESTS']
    })
    await activator.templates.activate(next.id)
    expect(await author.templates.show(draft.id)).toMatchObject({ state: 'retired' })
    expect(await enroll('Team')).toMatchObject({ dispositionName: 'under_submission' })
    await activator.templates.activate(draft.id)
    expect(await enroll('Team')).toMatchObject({ dispositionName: 'issued' })
    await activator.templates.retire(draft.id)
    await expect(activator.templates.retire(draft.id)).rejects.toThrow(refused('conflict'))
    expect(await enroll('Team')).toMatchObject({ dispositionName: 'denied' })
    await activator.templates.withdraw('Team', server.ca.name)
    await expect(activator.templates.withdraw('Team', server.ca.name)).rejects.toThrow(refused('conflict'))
  })

  it('that is superseded by another one offered is shown as such', async () => {
    const supersedes = ['UserSignature']
    const { id } = await author.templates.add({
      ...encodeTemplate(team),
      name: 'Newer',
      oid: '2.25.1002',
      supersededTemplates: supersedes
    })
    const shown = async () =>
      (await author.templates.list({ name: 'usersignature', state: 'active' })).items.map(item => item.supersededBy)
    expect(await shown()).toEqual([[]])
    await activator.templates.activate(id)
    await activator.templates.offer('Newer', server.ca.name)
    expect(await shown()).toEqual([['Newer']])
  })

  it('that is unsafe is kept as a draft with its findings, and goes no further', async () => {
    const unsafe = { ...encodeTemplate(team), name: 'Unsafe', oid: '2.25.1003', extendedKeyUsages: [] }
    expect((await auditor.templates.lint(unsafe)).map(({ rule }) => rule)).toEqual(['ESC2'])
    const kept = await author.templates.add(unsafe)
    expect(kept).toMatchObject({ state: 'draft', errors: 1 })
    await expect(activator.templates.activate(kept.id)).rejects.toThrow(refused('template_unsafe'))
    expect(await audited(kept.id)).toHaveLength(1)
  })

  it('is refused where it is no template, says nothing new or is not there', async () => {
    const { name: _, ...nameless } = encodeTemplate(team)
    await expect(author.templates.add(nameless)).rejects.toThrow(refused('invalid_argument'))
    await expect(author.templates.add(encodeTemplate(team))).rejects.toThrow(refused('conflict'))
    await expect(author.templates.show(4711)).rejects.toThrow(refused('not_found'))
    const [other] = (await author.templates.list({ name: 'WebServer' })).items
    await expect(author.templates.diff(draft.id, other?.id as number)).rejects.toThrow(refused('invalid_argument'))
  })

  it('is listed page by page', async () => {
    const first = await auditor.templates.list({ limit: 4 })
    expect(first.items).toHaveLength(4)
    const second = await auditor.templates.list({ limit: 200, cursor: first.next as string })
    expect(second.next).toBeUndefined()
    const names = [...first.items, ...second.items].map(({ name, state }) => `${name} ${state}`)
    expect(names).toEqual(expect.arrayContaining(['UserEncryption active', 'Unsafe draft', 'Team retired']))
    expect(new Set([...first.items, ...second.items].map(({ id }) => id)).size).toBe(names.length)
  })

  it('is for administrators of every CA to change', async () => {
    const local = server.operate(await server.addOperator('administrator', { caId: server.ca.id }))
    const officer = server.operate(await server.addOperator('officer'))
    const another = { ...encodeTemplate(team), minorVersion: 9 }
    for (const console of [local, officer, auditor]) {
      await expect(console.templates.add(another)).rejects.toThrow(refused('access_denied'))
      await expect(console.templates.activate(draft.id)).rejects.toThrow(refused('access_denied'))
      await expect(console.templates.retire(draft.id)).rejects.toThrow(refused('access_denied'))
    }
    await expect(officer.templates.offer('WebServer', server.ca.name)).rejects.toThrow(refused('access_denied'))
    await local.templates.withdraw('Newer', server.ca.name)
    await local[Symbol.asyncDispose]()
    await officer[Symbol.asyncDispose]()
  })

  it('of the installation was written and made active by it', async () => {
    const { items } = await auditor.templates.list({ state: 'active', name: 'UserEncryption' })
    expect(items).toMatchObject([{ author: 'installation', activatedBy: 'installation' }])
  })
})
