import { Inject, Injectable } from '@nestjs/common'
import { auditKeyId, encodeCheckpointLine, encodeKeyLine } from '@app/audit'
import { toHex } from '@app/core'
import {
  appendCheckpointLines,
  checkpointFileOf,
  checkpointFileSize,
  CONFIG,
  LOG,
  readCheckpointFile,
  type Config,
  type Logger
} from '@app/platform'
import { AuditChainStore } from '@app/storage'

const batch = 1000

interface FileState {
  /** Undefined when there is no file. */
  readonly size: number | undefined
  readonly position: number
  readonly keys: Set<string>
}

/** Keeps the file of checkpoints: every one of the database is in it too, in order, with the key that signed it. */
@Injectable()
export class CheckpointArchive {
  private readonly path: string
  /** What the file has; undefined when that is not known. */
  private state: FileState | undefined

  constructor(
    private readonly chain: AuditChainStore,
    @Inject(CONFIG) config: Config,
    @Inject(LOG) private readonly log: Logger
  ) {
    this.path = checkpointFileOf(config)
  }

  /**
   * Adds what the file lacks, whatever kept it from being added before. Says so in the log, and adds nothing, when the
   * file knows a later position than the chain has: only a person can tell a restored backup from a crime.
   */
  async update(chainEnd: number): Promise<void> {
    for (;;) {
      const { position } = (this.state ??= await this.read(chainEnd))
      if ((await this.chain.listCheckpoints(position, 1)).length === 0) return
      // Processes that share a home share the file, and each line of it comes after the one before.
      await this.chain.exclusively(() => this.append(chainEnd))
    }
  }

  private async append(chainEnd: number): Promise<void> {
    const before = this.state
    // Where this fails, or another process has written, nothing is known of the file any more.
    this.state = undefined
    const isSame = before?.size === (await checkpointFileSize(this.path))
    const { position, keys, size } = isSame && before !== undefined ? before : await this.read(chainEnd)
    const missing = await this.chain.listCheckpoints(position, batch)
    const [last] = missing.slice(-1)
    if (last === undefined) {
      this.state = { position, keys, size }
      return
    }
    const known = new Map((await this.chain.listKeys()).map(key => [toHex(auditKeyId(key.publicKey)), key]))
    const lines = missing.map(checkpoint => {
      const name = toHex(checkpoint.keyId)
      const key = keys.has(name) ? undefined : known.get(name)
      keys.add(name)
      return (key === undefined ? '' : encodeKeyLine(key)) + encodeCheckpointLine(checkpoint)
    })
    this.state = { size: await appendCheckpointLines(this.path, lines.join('')), position: last.position, keys }
  }

  private async read(chainEnd: number): Promise<FileState> {
    const size = await checkpointFileSize(this.path)
    const { last, keys } = await readCheckpointFile(this.path)
    const position = last?.position ?? 0
    if (position > chainEnd) {
      this.log.error(
        { file: this.path, position, chainEnd },
        'The file of audit checkpoints is ahead of the database: the end of the audit log was cut off, or an older backup was restored. "certkeep audit verify" tells more; docs/audit.md tells what to do after a restoration.'
      )
    }
    return { size, position, keys: new Set(keys.map(({ publicKey }) => toHex(auditKeyId(publicKey)))) }
  }
}
