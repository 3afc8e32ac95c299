import { AppError } from '@app/core'
import { decodePem, encodePem } from '@app/der'
import type { KeySpec } from '@app/keys'
import { certificateUrls, distributionUrls } from '@app/platform'
import { CaRenewal } from '../../../authority/src/ca/ca-renewal.js'
import { CaSetup } from '../../../authority/src/ca/ca-setup.js'
import { readText } from '../client/connection.js'
import { chooseCa, withAdministration, type Administration } from './administration.js'
import { fingerprintOf } from './ca-actions.js'
import { withRoles } from './pipeline-actions.js'

/** What `ca rotate` takes. */
export interface RenewalOptions {
  readonly key: 'same' | 'new' | KeySpec
  readonly years: number
}

/** Renews a root, or makes the request for a subordinate: PEM, and what there is to do next. */
export function renewCa(
  caName: string | undefined,
  { key, years }: RenewalOptions
): Promise<{ readonly pem: string; readonly next: string }> {
  return withAdministration(async administration => {
    const { actor, database } = administration
    const ca = await chooseCa(database, caName)
    const renewal = renewalOf(administration)
    if (ca.kind === 'subordinate') {
      const pem = encodePem('CERTIFICATE REQUEST', await renewal.requestSubordinate(ca.name, { key, actor }))
      const next = `Have it signed, then: certkeep ca rotate --ca ${JSON.stringify(ca.name)} --certificate FILE`
      return { pem, next }
    }
    const renewed = await renewal.renewRoot(ca.name, { key, actor, validityYears: years })
    await publishFor(administration)
    const certificates = [renewed.certificate.raw, ...renewed.crossCertificates]
    return {
      pem: certificates.map(der => encodePem('CERTIFICATE', der)).join(''),
      next: `"${ca.name}" issues with certificate ${renewed.certIndex}, key ${renewed.keyIndex}. SHA-256 fingerprint ${fingerprintOf(renewed.certificate)}`
    }
  })
}

/** Installs the renewed certificate of a subordinate CA from a PEM file with all certificates up to the root. */
export function installRenewal(caName: string | undefined, file: string): Promise<string> {
  return withAdministration(async administration => {
    const { installation, database, clock, entropy, actor } = administration
    const ca = await chooseCa(database, caName)
    const certificates = decodePem(await readText(file)).map(block => block.bytes)
    if (certificates.length === 0) throw new AppError('pem_invalid', `${file} holds no PEM certificate.`)
    const setup = new CaSetup({ database, keys: installation.keys('authority'), clock, entropy })
    const certificate = await setup.install(ca.name, certificates, actor)
    await publishFor(administration)
    return `Installed. SHA-256 fingerprint ${fingerprintOf(certificate)}`
  })
}

/** Takes back the renewal of a subordinate CA that its parent has not answered. Returns a sentence for people. */
export function withdrawRenewal(caName: string | undefined): Promise<string> {
  return withAdministration(async administration => {
    const ca = await chooseCa(administration.database, caName)
    await renewalOf(administration).withdraw(ca.name, administration.actor)
    return `"${ca.name}" awaits no certificate any more.`
  })
}

/** A new key has no CRL and no exchange certificate yet; nobody should have to wait for them. */
async function publishFor(administration: Administration): Promise<void> {
  await withRoles(administration, async ({ runtime }) => {
    runtime.wakeups.nudge('crl')
    runtime.wakeups.nudge('exchange-keys')
    await runtime.steps.idle()
  })
}

function renewalOf({ installation, database, clock, entropy }: Administration): CaRenewal {
  const { config } = installation
  return new CaRenewal({
    database,
    keys: installation.keys('authority'),
    clock,
    entropy,
    addressesOf: ({ caId, keyIndex, certIndex }) =>
      certificateUrls(config, distributionUrls(config.httpBaseUrl, { id: caId, keyIndex, certIndex }))
  })
}
