import { randomBytes } from 'node:crypto'
import {
  issue,
  newSerialNumber,
  prepareCertificate,
  prepareCrossCertificate,
  prepareExchangeCertificate,
  prepareOcspCertificate,
  prepareRecoveryAgentCertificate,
  prepareRootCertificate,
  prepareServerCertificate,
  prepareSubordinateCertificate,
  type CaProfile,
  type Issuer,
  type PreparedCertificate
} from '@app/issuance'
import { generateKeyPairOf, signerOf, type KeySpec, type Signer } from '@app/keys'
import { OID } from '@app/oid'
import { keyAlgorithmName, builtInTemplates, isForMachines } from '@app/templates'
import { decodeCertificate, decodeName, encodeSubjectAltName, type Certificate } from '@app/x509'
import { DerReader } from '@app/der'
import { nameOf } from '../helpers/x509-samples.js'

const entropy = { bytes: (length: number) => new Uint8Array(randomBytes(length)) }
const yearSeconds = 365 * 86_400

/** A certificate as it would be issued, and the certificate of its CA. */
export interface MadeCertificate {
  readonly name: string
  readonly certificate: Uint8Array
  readonly issuer: Uint8Array
}

const addressesOf = (key: number): Pick<Issuer, 'crlUrls' | 'deltaCrlUrls' | 'caIssuersUrls' | 'ocspUrls'> => ({
  crlUrls: [
    `http://pki.example.org/crl/1-${key}.crl`,
    'ldap://ldap.example.org/CN=Example%20CA,O=Example?certificateRevocationList;binary'
  ],
  deltaCrlUrls: [`http://pki.example.org/crl/1-${key}+.crl`],
  caIssuersUrls: [`http://pki.example.org/ca/1-${key}.cer`],
  ocspUrls: [`http://pki.example.org/ocsp/1-${key}`]
})

/**
 * One certificate of every kind that a root with such a key makes: its own, that of its renewal, the cross certificates, a
 * subordinate's, the installation's own, and one after each built-in template for each kind of key that it allows.
 */
export async function makeEveryCertificate(spec: KeySpec): Promise<readonly MadeCertificate[]> {
  const [signer, renewed] = await Promise.all([newSigner(spec), newSigner(spec)])
  const root = await makeRoot(signer, { certificateIndex: 0, keyIndex: 0 })
  const next = await makeRoot(renewed, { certificateIndex: 1, keyIndex: 1 }, new Uint8Array(20).fill(7))
  const issuer: Issuer = { certificate: root, scheme: signer.scheme, ...addressesOf(0) }
  const made: MadeCertificate[] = [
    { name: 'root', certificate: root.raw, issuer: root.raw },
    { name: 'renewed-root', certificate: next.raw, issuer: next.raw }
  ]
  const add = async (name: string, prepared: PreparedCertificate): Promise<void> => {
    made.push({ name, certificate: await issue(prepared, signer), issuer: root.raw })
  }
  const common = () => ({ issuer, serialNumber: newSerialNumber(entropy), now: new Date() })
  const rsa = (await generateKeyPairOf('rsa-2048')).publicKey
  await add('new-with-old', prepareCrossCertificate({ ...common(), certified: next }))
  const version = { certificateIndex: 0, keyIndex: 0 }
  const subordinate = { subject: nameOf('CN=Issuing CA,O=Example,C=DE'), publicKey: rsa, version, pathLength: 0 }
  await add('subordinate', prepareSubordinateCertificate({ ...common(), ...subordinate, validitySeconds: yearSeconds }))
  await add('exchange', prepareExchangeCertificate({ ...common(), publicKey: rsa }))
  await add('agent', prepareRecoveryAgentCertificate({ ...common(), publicKey: rsa, subject: nameOf('CN=Agent 1') }))
  const aDay = { publicKey: rsa, validitySeconds: 86_400 }
  await add('ocsp-signer', prepareOcspCertificate({ ...common(), ...aDay }))
  const hosts = { dnsNames: ['localhost', 'pki.example.org'], ipAddresses: ['127.0.0.1', '::1'] }
  await add('listener', prepareServerCertificate({ ...common(), publicKey: rsa, ...hosts }))
  for (const spec of ['rsa-2048', 'p-256', 'p-384', 'ed25519'] as const) {
    const { publicKey } = await generateKeyPairOf(spec)
    const algorithm = keyAlgorithmName(publicKey)
    for (const template of builtInTemplates()) {
      if (algorithm === undefined || !template.keyAlgorithms.includes(algorithm)) continue
      const requester = isForMachines(template) ? computer : user
      const prepared = prepareCertificate({ ...common(), template, requester, request: { ...asked, publicKey } })
      await add(`${template.name}-${spec}`, prepared)
    }
  }
  return made
}

const account = { id: 'x', sid: 'S-1-5-21-1-2-3-1001', domain: 'EXAMPLE', groups: [] }
const user = {
  ...account,
  kind: 'user' as const,
  accountName: 'alice',
  displayName: 'Alice Example',
  upn: 'alice@example.org',
  mail: 'alice@example.org'
}
const computer = { ...account, kind: 'computer' as const, accountName: 'web1', dnsName: 'web1.example.org' }
/** For the templates that take their names from the request. */
const asked = {
  subject: decodeName(DerReader.over(nameOf('CN=www.example.org')), 'subject'),
  extensions: [
    {
      oid: OID.id_ce_subjectAltName,
      critical: false,
      value: encodeSubjectAltName([{ kind: 'dNSName', value: 'www.example.org' }])
    }
  ]
}

async function newSigner(spec: KeySpec): Promise<Signer> {
  return signerOf((await generateKeyPairOf(spec)).privateKey)
}

async function makeRoot(
  signer: Signer,
  version: CaProfile['version'],
  previousHash?: Uint8Array
): Promise<Certificate> {
  const prepared = prepareRootCertificate({
    subject: nameOf('CN=Example CA,O=Example,C=DE'),
    publicKey: signer.publicKey,
    scheme: signer.scheme,
    version,
    ...(previousHash === undefined ? {} : { previousHash }),
    serialNumber: newSerialNumber(entropy),
    now: new Date(),
    validitySeconds: 10 * yearSeconds
  })
  return decodeCertificate(await issue(prepared, signer))
}
