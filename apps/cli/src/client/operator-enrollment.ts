import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { unlink } from 'node:fs/promises'
import { Console } from '@app/client'
import { AppError } from '@app/core'
import { writeNewFile } from '@app/files'
import type { ConnectionOptions } from '../client-options.js'
import type { OutputFormat, Talk } from '../output.js'
import { findTrust, readSecret } from './connection.js'
import { enroll } from './enroll-action.js'
import { readProfile } from './profile.js'

/** What `operator enroll` takes. */
export interface EnrollOperatorCommand extends Pick<ConnectionOptions, 'trust' | 'fingerprint'> {
  readonly p12: string
  readonly passwordFile: string
  readonly account: string
  readonly displayName: string
  /** Where to enroll, when that is another address than the link's. */
  readonly enrollmentUrl?: string
  readonly output: OutputFormat
}

/**
 * `operator enroll`: redeems the link of an invitation, makes a key here, and gets the certificate that the new operator
 * signs in with. A link can be used once; when something fails after that, what is said tells how to go on.
 */
export async function enrollOperator(link: string, options: EnrollOperatorCommand, talk: Talk): Promise<void> {
  // 1. Everything that could fail without the link being used up.
  const { url, secret } = parseLink(link)
  if (existsSync(options.p12)) {
    throw new AppError('file_exists', `${options.p12} exists and is not overwritten. Choose another name.`)
  }
  const trust = await findTrust(options, await readProfile(), url)
  if (trust === undefined) {
    throw new AppError(
      'invalid_argument',
      'No root is trusted. Give --fingerprint, which the server printed, or --trust.'
    )
  }
  await ensurePassword(options.passwordFile)
  // 2. The link is used up.
  await using console = new Console({ url, trust })
  const { account, displayName, p12, passwordFile } = options
  const redeemed = await console.invitations.redeem({ secret, account, displayName })
  talk.say(
    `You are ${redeemed.account}, ${redeemed.role}${redeemed.role === 'administrator' ? ' of this server' : ''}.`
  )
  const tokenFile = `${p12}.token`
  await writeNewFile(tokenFile, Buffer.from(`${redeemed.token}\n`), 0o600)
  // 3. The certificate, by the ordinary way.
  const trusted = options.trust === undefined ? {} : { trust: options.trust }
  const pinned = options.fingerprint === undefined ? {} : { fingerprint: options.fingerprint }
  const { ca, template } = redeemed
  const request = { san: [], attribute: [], key: 'p-256', form: 'cmc', archive: false } as const
  try {
    await enroll(
      {
        ...request,
        ...trusted,
        ...pinned,
        url: options.enrollmentUrl ?? url,
        ca,
        template,
        tokenFile,
        p12,
        passwordFile,
        wait: 30,
        output: options.output
      },
      talk
    )
  } catch (error) {
    talk.say(
      `The link is used up. Until ${redeemed.expiresAt}, get the certificate with: certkeep enroll --url ${options.enrollmentUrl ?? url} --ca "${ca}" --template ${template} --no-archive --token-file ${tokenFile} --p12 ${p12} --password-file ${passwordFile}`
    )
    throw error
  }
  if (existsSync(p12)) await unlink(tokenFile)
}

function parseLink(link: string): { readonly url: string; readonly secret: string } {
  const address = URL.parse(link)
  const secret = address?.hash.slice(1) ?? ''
  if (address === null || address.protocol !== 'https:' || !/^[A-Za-z0-9_-]{43}$/.test(secret)) {
    throw new AppError('invalid_argument', 'This is no link of an invitation: https://…/enrol# and a secret. Quote it.')
  }
  return { url: address.origin, secret }
}

/** The password in the file; a new one is made when there is no such file. */
async function ensurePassword(file: string): Promise<void> {
  if (existsSync(file)) await readSecret(file)
  else await writeNewFile(file, Buffer.from(`${randomBytes(18).toString('base64url')}\n`), 0o600)
}
