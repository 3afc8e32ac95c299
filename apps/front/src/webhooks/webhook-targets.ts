import { readFile } from 'node:fs/promises'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { rootCertificates } from 'node:tls'
import { AppError, wipe } from '@app/core'
import { readSecretFile } from '@app/files'
import type { WebhookSettings } from '@app/platform'
import { decodeSecrets, type Notice } from './notice.js'

/** Where the notices of one webhook go. The address is that of the configuration, and no other is ever called. */
export interface WebhookTarget {
  readonly name: string
  readonly timeoutSeconds: number
  readonly secrets: readonly Uint8Array[]
  /**
   * Sends a notice and gives the status of the answer, whatever it is. Redirections are not followed, and of the answer's
   * body no more than 64 KiB are read. Rejects when there is no whole answer in time, and when `ended` fires.
   */
  send(notice: Notice, ended: AbortSignal): Promise<number>
}

const MAX_ANSWER_BYTES = 64 * 1024

/** Reads what the webhooks of a configuration need. Throws `config_invalid` for a file that is not as it must be. */
export function openTargets(webhooks: readonly WebhookSettings[]): Promise<readonly WebhookTarget[]> {
  return Promise.all(webhooks.map(openTarget))
}

async function openTarget(settings: WebhookSettings): Promise<WebhookTarget> {
  const { name, timeoutSeconds, secretFile, trustFile } = settings
  const content = await readSecretFile(secretFile)
  const secrets = decodeSecrets(Buffer.from(content).toString('utf8'), secretFile)
  wipe(content)
  const ca = trustFile === undefined ? [...rootCertificates] : await readTrust(trustFile)
  const url = new URL(settings.url)
  const call = url.protocol === 'https:' ? httpsRequest : httpRequest
  return {
    name,
    timeoutSeconds,
    secrets,
    send: ({ body, headers }, ended) => {
      const signal = AbortSignal.any([ended, AbortSignal.timeout(timeoutSeconds * 1000)])
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      const length = { 'content-length': String(Buffer.byteLength(body)) }
      const options = { method: 'POST', headers: { ...headers, ...length }, signal, ca, minVersion: 'TLSv1.2' } as const
      const sent = call(url, options, answer => {
        statusOf(answer).then(resolve, reject)
      })
      sent.on('error', error => {
        reject(signal.aborted && !ended.aborted ? new Error(`no answer in ${timeoutSeconds} seconds`) : error)
      })
      sent.end(body)
      return promise
    }
  }
}

async function readTrust(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new AppError('config_invalid', `${path} cannot be read: ${reason}.`, { path }, { cause })
  }
}

/** The status counts once the answer is whole, or longer than anybody needs. */
async function statusOf(answer: IncomingMessage): Promise<number> {
  let length = 0
  for await (const chunk of answer) {
    length += (chunk as Buffer).length
    if (length > MAX_ANSWER_BYTES) break
  }
  return answer.statusCode ?? 0
}
