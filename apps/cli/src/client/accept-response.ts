import { findSubmission, loadPending, removePending, type AcceptedCertificate, type Enrollment } from '@app/client'
import { AppError } from '@app/core'
import { decodeCertificate, formatName } from '@app/x509'
import { exitCodeOfDisposition } from '../exit-code.js'
import type { ConnectionOptions, InstallationOptions } from '../client-options.js'
import { printEncoded, printFacts, type OutputFormat, type Talk } from '../output.js'
import { findConnection, findTrust, readBytes, readSecret } from './connection.js'
import { readProfile } from './profile.js'
import { explain, withRequest } from './submission.js'

/** What `request accept` takes. */
export interface AcceptCommand extends ConnectionOptions, InstallationOptions {
  readonly response?: string
  readonly passphraseFile?: string
  readonly output: OutputFormat
}

/** `request accept`: fetches the response of a kept request, or reads it from a file, and installs the certificate. */
export async function acceptResponse(directory: string, options: AcceptCommand, talk: Talk): Promise<void> {
  const installation = await installationOf(options, directory)
  if (options.response !== undefined) {
    const trust = await trustFor(directory, options)
    return acceptAndInstall(directory, { trust, response: await readBytes(options.response) }, installation, options)
  }
  await withRequest(directory, options, async ({ request, trust }) => {
    process.exitCode = exitCodeOfDisposition(request.status.disposition)
    if (!request.isIssued) return explain(request, talk)
    return acceptAndInstall(directory, { trust, response: await request.getFullResponse() }, installation, options)
  })
}

async function trustFor(directory: string, options: AcceptCommand): Promise<string> {
  const trust = await findTrust(options, await readProfile(), options.url ?? (await findSubmission(directory))?.url)
  return trust ?? (await findConnection(options)).settings.trust
}

/** Where a certificate is installed. */
export type Installation = { readonly directory: string } | { readonly p12: string; readonly password: string }

/** Where the options say; into the directory given when they say nothing. Throws `invalid_argument`. */
export async function installationOf(options: InstallationOptions, directory: string): Promise<Installation> {
  const { out, p12, passwordFile } = options
  if (p12 === undefined) return { directory: out ?? directory }
  if (passwordFile === undefined) {
    throw new AppError('invalid_argument', 'A PKCS#12 file needs a password: give --password-file.')
  }
  return { p12, password: await readSecret(passwordFile) }
}

/** Accepts the response to a kept request, installs the certificate, prints what it is and where, and tidies up. */
export async function acceptAndInstall(
  directory: string,
  given: { readonly trust: string; readonly response: Uint8Array },
  installation: Installation,
  options: Pick<AcceptCommand, 'passphraseFile' | 'output'>
): Promise<void> {
  const passphrase = options.passphraseFile === undefined ? undefined : await readSecret(options.passphraseFile)
  const secret = passphrase === undefined ? {} : { passphrase }
  const enrollment = await loadPending(directory, { trust: given.trust, ...secret })
  const accepted = await enrollment.acceptResponse(given.response)
  const files = await install(enrollment, installation, secret)
  await removePending(directory)
  await printAccepted(accepted, files, options.output)
}

async function install(
  enrollment: Enrollment,
  installation: Installation,
  secret: { readonly passphrase?: string }
): Promise<object> {
  if ('directory' in installation) return enrollment.installAsPem(installation.directory, secret)
  await enrollment.installAsPkcs12(installation.p12, installation.password)
  return { p12: installation.p12 }
}

async function printAccepted(accepted: AcceptedCertificate, files: object, format: OutputFormat): Promise<void> {
  if (format === 'pem' || format === 'der') {
    const items = [accepted.certificate, ...accepted.chain].map(der => ({ der, pemLabel: 'CERTIFICATE' }))
    return printEncoded(items, format)
  }
  const { serialHex, subject, issuer, notBefore, notAfter } = decodeCertificate(accepted.certificate)
  await printFacts(
    {
      serialNumber: serialHex,
      subject: formatName(subject),
      issuer: formatName(issuer),
      notBefore: notBefore.toISOString(),
      notAfter: notAfter.toISOString(),
      files
    },
    format
  )
}
