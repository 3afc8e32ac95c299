import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeLdif, encodeLdif, valuesOf } from '@app/ldif'
import { GroupStore } from '@app/storage'
import { decodeTemplate, encodeTemplate, SUBJECT_NAME_FLAG } from '@app/templates'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exportTemplates, importTemplates, showTemplate } from '../../apps/cli/src/administration/template-actions.js'
import * as remote from '../../apps/cli/src/client/template-actions.js'
import { lintFiles } from '../../apps/cli/src/client/template-files.js'
import { administer } from '../helpers/administration.js'
import { enrollmentService, exportedTemplate, faultyExport } from '../helpers/directory-export.js'
import { pkcs10Request } from '../helpers/plain-requests.js'
import { enrollAce } from '../helpers/security-descriptors.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { submitBytes } from '../helpers/submission.js'

const directory = mkdtempSync(join(tmpdir(), 'certkeep-templates-'))
let server: TestServer
let operator: { readonly url: string; readonly trust: string; readonly tokenFile: string }

beforeAll(async () => {
  server = await startTestServer()
  const { token } = await server.addOperator('administrator')
  const [tokenFile, trust] = [join(directory, 'token'), join(directory, 'root.pem')]
  writeFileSync(tokenFile, token, { mode: 0o600 })
  writeFileSync(trust, server.root)
  operator = { url: server.url, trust, tokenFile }
})
afterAll(async () => {
  await server.stop()
  rmSync(directory, { recursive: true })
})

function fileOf(name: string, text: string): string {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}

const locally = <T>(action: () => Promise<T>) => administer(server, action)
const engineers = 'S-1-5-21-7-8-9-1105'
const strangers = 'S-1-5-21-7-8-9-1106'

describe('an export of AD’s template container', () => {
  const text = encodeLdif([
    exportedTemplate({ name: 'Mail', oid: '2.25.5001' }, [enrollAce(engineers), enrollAce(strangers)]),
    exportedTemplate({ name: 'Open', oid: '2.25.5002', subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT }),
    exportedTemplate({ name: 'Broken', oid: '' }),
    enrollmentService()
  ])

  it('becomes drafts of the local account, with the groups of the directory, and everything unmapped is told', async () => {
    const groups = new GroupStore((await server.database.open('owner')).dataSource)
    await groups.add('Engineers', { actor: 'test' }, new Date())
    await server.sql(`UPDATE certkeep.principal SET sid = $1 WHERE kind = 'group' AND account_name = 'Engineers'`, [
      engineers
    ])
    const file = fileOf('container.ldf', text)
    const outcomes = await locally(() => importTemplates(file, ['S-1-5-21-1-2-3-513=Domain Users']))
    expect(outcomes.map(({ name, version }) => [name, version])).toEqual([
      ['Mail', '100.1'],
      ['Open', '100.1'],
      ['Broken', undefined]
    ])
    const [mail, open, broken] = outcomes
    expect(broken?.failure).toMatch(/^CN=Broken.*\/oid/)
    expect(open?.findings.map(({ rule }) => rule)).toContain('ESC1')
    expect(mail?.notes.filter(note => note.includes(strangers))).toHaveLength(1)
    expect(mail?.notes.filter(note => note.includes(engineers))).toEqual([])

    const shown = (await locally(() => showTemplate(String(mail?.id)))) as {
      readonly definition: { readonly enroll: string[] }
    }
    expect(shown).toMatchObject({ state: 'draft', author: expect.stringMatching(/^local:/) })
    expect(shown.definition.enroll).toEqual(['Domain Users', 'Engineers'])
    const again = await locally(() => importTemplates(file, []))
    expect(again[0]?.failure).toMatch(/exists already/)
  })

  it('is activated and offered by an operator, and issues', async () => {
    const drafts = await remote.listTemplates(operator, { name: 'Mail', state: 'draft' })
    expect(drafts).toHaveLength(1)
    const id = drafts[0]?.id as number
    expect(await remote.activateTemplate(operator, id)).toMatchObject({ name: 'Mail', state: 'active' })
    await remote.offerTemplate({ ...operator, ca: server.ca.name }, 'Mail', true)
    const request = await pkcs10Request({
      template: 'Mail',
      privateKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
    })
    const status = await submitBytes(server, await server.addPrincipal(), request, 'application/pkcs10')
    expect(status).toMatchObject({ dispositionName: 'issued', template: 'Mail' })
    await remote.offerTemplate({ ...operator, ca: server.ca.name }, 'Mail', false)
  })

  it('that is unsafe is activated by nobody', async () => {
    const [open] = await remote.listTemplates(operator, { name: 'Open' })
    await expect(remote.activateTemplate(operator, open?.id as number)).rejects.toThrow(
      expect.objectContaining({ code: 'template_unsafe' })
    )
  })

  it('comes out of the database as it went in', async () => {
    const [original] = decodeLdif(text)
    for (const exported of [
      await locally(() => exportTemplates(['Mail'], { format: 'ldif' })),
      await remote.exportTemplates(operator, ['Mail'], { format: 'ldif', plain: true })
    ]) {
      const [back] = decodeLdif(exported)
      expect(back?.dn).toBe(original?.dn)
      for (const { name, values } of original?.attributes ?? []) {
        expect([name, valuesOf(back ?? { dn: '', attributes: [] }, name)]).toEqual([name, values])
      }
    }
  })
})

describe('a JSON file', () => {
  it('goes in over the console and comes out, and again as LDIF', async () => {
    const mail = JSON.parse(await locally(() => exportTemplates(['Mail'], { format: 'json' }))) as object
    const next = { ...mail, minorVersion: 2, approvals: 3, pendingSeconds: 86_400, enrollmentFlags: 2 }
    const outcomes = await remote.importTemplates(operator, fileOf('next.json', JSON.stringify([next])), [])
    const [outcome] = outcomes
    expect(outcome).toMatchObject({ name: 'Mail', version: '100.2' })
    const ldif = await remote.exportTemplates(operator, [String(outcome?.id)], { format: 'ldif' })
    const third = ldif.replace('msPKI-Template-Minor-Revision: 2', 'msPKI-Template-Minor-Revision: 3')
    const [last] = await locally(() => importTemplates(fileOf('third.ldf', third), []))
    const definition = await locally(() => exportTemplates([String(last?.id)], { format: 'json' }))
    expect(decodeTemplate(JSON.parse(definition))).toEqual({ ...decodeTemplate(next), minorVersion: 3 })
    const { differences } = await remote.diffTemplate(operator, last?.id as number, outcome?.id as number)
    expect(differences.map(({ member }) => member)).toEqual(['minorVersion'])
  })
})

describe('the linter', () => {
  it('reports on files together, templates and all', async () => {
    const sound = encodeTemplate(
      decodeTemplate(JSON.parse(await locally(() => exportTemplates(['WebServer'], { format: 'json' }))))
    )
    const report = await lintFiles([fileOf('ad.ldf', faultyExport()), fileOf('web.json', JSON.stringify(sound))])
    expect(report).toMatchObject({ templates: 5, objects: 9, errors: 6 })
    expect(
      report.findings.every(({ where, remedy, object }) => [where, remedy, object].every(text => text !== ''))
    ).toBe(true)
    expect(report.notShown.map(({ rule }) => rule)).toContain('ESC16')
  })
})
