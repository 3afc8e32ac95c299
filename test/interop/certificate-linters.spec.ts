import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { FR_PROP_FULLRESPONSE, Enrollment } from '@app/client'
import type { KeySpec } from '@app/keys'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { rotateRoot } from '../helpers/ca-renewal.js'
import { decidePending, revokeCertificateOf } from '../helpers/decisions.js'
import { pkcs10Request, webServerRequest } from '../helpers/plain-requests.js'
import { startTestServer, type TestServer } from '../helpers/server.js'
import { makeEveryCertificate, type MadeCertificate } from './every-certificate.js'
import { judgeWithPkilint, judgeWithZlint, type Objection } from './linters.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

let directory: WorkDirectory

beforeAll(async () => {
  directory = await makeWorkDirectory()
})

afterAll(() => directory.remove())

/** The documents of zlint that hold for any CA. */
const PKIX = ['RFC3279', 'RFC5280', 'RFC5480', 'RFC5891', 'RFC8813', 'Community']

/**
 * What the linters demand of publicly trusted CAs only, or do not know. Nothing else is overlooked.
 */
const DEVIATIONS: Readonly<Record<string, string>> = {
  // zlint, Baseline Requirements for TLS
  e_server_cert_valid_time_longer_than_200_days: 'The templates of a private CA say how long its certificates last.',
  e_sub_cert_certificate_policies_missing: 'The policies of the Forum are for who is audited by them.',
  e_sub_cert_cert_policy_empty: 'As before.',
  e_signature_algorithm_not_supported: 'The Forum does not allow Ed25519; RFC 8410 does.',
  e_crl_distrib_points_not_http:
    'Clients on the web find the http address beside that of a directory (RFC 5280, 4.2.1.13).',
  e_dnsname_not_valid_tld: 'The listener is reached as localhost until it is given a name.',
  e_ext_san_contains_reserved_ip: 'As before, by its address.',
  // zlint, S/MIME Baseline Requirements
  e_exactly_one_smime_policy: 'The policies of the Forum are for who is audited by them.',
  // pkilint
  'pkix.invalid_domain_name_syntax': 'The name localhost is one label, which RFC 1034 (3.5) allows.',
  'cabf.smime.certificate_policies_extension_missing': 'The policies of the Forum are for who is audited by them.',
  'cabf.smime.missing_required_attribute':
    'The subject is what the directory calls the account, not what a notary saw.',
  'cabf.smime.common_name_value_unknown_source': 'As before.'
}

const overlooked = new Set<string>()

/** The objections that have no reason in the list; of the Forum's rules the errors alone. */
function withoutDeviations(
  objections: readonly Objection[],
  from: 'warning' | 'error' = 'warning'
): readonly Objection[] {
  return objections
    .filter(({ severity }) => severity === 'error' || from === 'warning')
    .filter(({ rule, detail }) => {
      const isOverlooked = rule in DEVIATIONS && (!rule.startsWith('pkix.') || detail.includes('localhost'))
      if (isOverlooked) overlooked.add(rule)
      return !isOverlooked
    })
}

const isForMail = ({ name }: MadeCertificate) => name.startsWith('User')
const isForServers = ({ name }: MadeCertificate) => /^(?:WebServer|Computer|listener)/.test(name)

async function putAll(prefix: string, made: readonly MadeCertificate[]): Promise<readonly string[]> {
  return Promise.all(made.map(({ name, certificate }) => directory.put(`${prefix}-${name}.der`, certificate)))
}

describe.each<KeySpec>(['rsa-3072', 'p-256', 'p-384', 'ed25519'])('what a CA with a key of the kind %s makes', key => {
  let made: readonly MadeCertificate[]
  let files: readonly string[]

  beforeAll(async () => {
    made = await makeEveryCertificate(key)
    files = await putAll(key, made)
  })

  it('satisfies zlint as certificates of any CA', async () => {
    expect(withoutDeviations(await judgeWithZlint(files, PKIX))).toEqual([])
  })

  it('satisfies zlint as certificates for mail and for TLS servers', async () => {
    const ofKind = (isOfKind: (one: MadeCertificate) => boolean) =>
      files.filter((_file, index) => isOfKind(made[index] as MadeCertificate))
    expect(withoutDeviations(await judgeWithZlint(ofKind(isForMail), ['CABF_SMIME_BR']), 'error')).toEqual([])
    expect(withoutDeviations(await judgeWithZlint(ofKind(isForServers), ['CABF_BR']), 'error')).toEqual([])
  })

  it('satisfies pkilint, root, cross certificate and subordinate', async () => {
    for (const name of ['root', 'renewed-root', 'new-with-old', 'subordinate']) {
      const file = directory.at(`${key}-${name}.der`)
      const options = ['--document-format', 'DER']
      expect(withoutDeviations(await judgeWithPkilint('lint_pkix_cert', [file], options))).toEqual([])
      if (name.endsWith('root')) continue
      const issuer = directory.at(`${key}-root.der`)
      const both = await judgeWithPkilint('lint_pkix_signer_signee_cert_chain', [issuer, file], options)
      expect(withoutDeviations(both)).toEqual([])
    }
  })
})

describe('what a server issues, before and after its root is renewed', () => {
  let server: TestServer
  let issued: readonly MadeCertificate[]
  let files: readonly string[]

  beforeAll(async () => {
    server = await startTestServer({ key: 'p-384', settings: { httpBaseUrl: 'http://pki.example.org' } })
    const first = await issueAll(server, 'old')
    const [root, newWithOld, oldWithNew] = await rotateRoot(server, 'p-256')
    const renewed = [root, newWithOld, oldWithNew].map((certificate, index) => ({
      name: `renewed-${index}`,
      certificate: certificate?.raw ?? new Uint8Array(),
      issuer: new Uint8Array()
    }))
    // The authority looks at its CAs again after five seconds.
    await new Promise(resolve => setTimeout(resolve, 5500))
    issued = [...first, ...renewed, ...(await issueAll(server, 'new'))]
    files = await putAll('server', issued)
  })

  afterAll(() => server.stop())

  it('satisfies zlint', async () => {
    expect(withoutDeviations(await judgeWithZlint(files, PKIX))).toEqual([])
    const forMail = files.filter(file => file.includes('User'))
    expect(withoutDeviations(await judgeWithZlint(forMail, ['CABF_SMIME_BR']), 'error')).toEqual([])
  })

  it('satisfies pkilint', async () => {
    // Those from before the renewal are of the same forms, and each judgement takes a process.
    for (const file of files.filter(path => !path.includes('-old-'))) {
      const options = ['--document-format', 'DER']
      expect(withoutDeviations(await judgeWithPkilint('lint_pkix_cert', [file], options))).toEqual([])
      if (!file.includes('User')) continue
      const mail = await judgeWithPkilint('lint_cabf_smime_cert', [file], [...options, '-t', 'INDIVIDUAL-MULTIPURPOSE'])
      expect(withoutDeviations(mail, 'error')).toEqual([])
    }
  })

  it('comes with CRLs of both keys that satisfy pkilint', async () => {
    for (const name of [`${server.ca.id}-0`, `${server.ca.id}-0+`, `${server.ca.id}-1`]) {
      const response = await fetch(`${server.httpUrl}/crl/${name}.crl`)
      expect(response.status).toBe(200)
      const file = await directory.put('judged.crl', new Uint8Array(await response.arrayBuffer()))
      const options = ['-t', 'CRL', '-p', 'PKIX', '--document-format', 'DER']
      expect(withoutDeviations(await judgeWithPkilint('lint_crl', [file], options))).toEqual([])
    }
  })

  it('needs every deviation of the list', () => {
    expect([...overlooked].toSorted()).toEqual(Object.keys(DEVIATIONS).toSorted())
  })
})

/** A certificate after each template that people and computers enroll for, and those of the installation itself. */
async function issueAll(server: TestServer, which: string): Promise<readonly MadeCertificate[]> {
  const made: { name: string; certificate: Uint8Array; issuer: Uint8Array }[] = []
  const add = (name: string, certificate: Uint8Array): void => {
    made.push({ name: `${which}-${name}`, certificate, issuer: new Uint8Array() })
  }
  await using user = server.connect(await server.addPrincipal())
  await using computer = server.connect(await server.addPrincipal({ kind: 'computer' }))
  const exchange = await user.getCACertificate({ exchange: true })
  add('exchange', exchange)
  add('ca', await user.getCACertificate())
  const { certificates } = await user.getAuthority()
  const enrollment = new Enrollment({ trust: server.root, privateKeyArchiveCertificate: exchange, chain: certificates })
  await user.submit(await enrollment.createRequest({ type: 'cmc', template: { name: 'UserEncryption' } }))
  const response = await user.getFullResponseProperty(FR_PROP_FULLRESPONSE)
  add('UserEncryption', (await enrollment.acceptResponse(response)).certificate)
  await user.submit(await pkcs10Request({ template: 'UserSignature' }))
  add('UserSignature', await user.getCertificate())
  await revokeCertificateOf(server, user.requestId)
  await computer.submit(await pkcs10Request({ template: 'Computer' }))
  add('Computer', await computer.getCertificate())
  await computer.submit(await webServerRequest())
  await decidePending(server, computer.requestId, 'approved')
  await vi.waitFor(async () => {
    await computer.retrievePending(computer.requestId)
    add('WebServer', await computer.getCertificate())
  })
  add('listener', (await servedBy(server)).raw)
  return made
}

function servedBy({ url, root }: TestServer): Promise<X509Certificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port), ca: root })
    socket.on('error', reject)
    socket.on('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate()
      socket.end()
      if (certificate === undefined) reject(new Error('The server has no certificate.'))
      else resolve(certificate)
    })
  })
}
