import { Injectable } from '@nestjs/common'
import { AppError, type CaId } from '@app/core'
import { CaStore, PrincipalStore, type PrincipalRow } from '@app/storage'

/** Finds what callers name. */
@Injectable()
export class NamedObjects {
  constructor(
    private readonly cas: CaStore,
    private readonly principals: PrincipalStore
  ) {}

  /** The id of a CA by its name; null, which stands for every CA, when none is named. Throws `not_found`. */
  async caIdOf(name: string | undefined): Promise<CaId | null> {
    if (name === undefined) return null
    const ca = await this.cas.findByName(name)
    if (ca === undefined) throw new AppError('not_found', `There is no CA "${name.slice(0, 64)}".`)
    return ca.id
  }

  /** Gives the name of a CA by its id; undefined for null, every CA. */
  async caNames(): Promise<(id: number | null) => string | undefined> {
    const names = new Map((await this.cas.list()).map(({ id, name }) => [id as number, name]))
    return id => (id === null ? undefined : names.get(id))
  }

  /** Gives the name of the CA of an id, or of the first CA for null; undefined when there is none. */
  async caNameFinder(): Promise<(caId: number | null) => string | undefined> {
    const cas = await this.cas.list()
    return caId => cas.find(ca => caId === null || ca.id === caId)?.name
  }

  /**
   * The user or computer of `DOMAIN\account`, or of an account that one domain only has. Throws `not_found`, and
   * `invalid_argument` when several domains have it.
   */
  async account(text: string): Promise<PrincipalRow> {
    const found = (await this.principals.findByName(text)).filter(({ kind }) => kind === 'user' || kind === 'computer')
    const [only, ...others] = found
    if (only === undefined) throw new AppError('not_found', `There is no account "${text.slice(0, 100)}".`)
    if (others.length > 0) {
      throw new AppError('invalid_argument', `"${text.slice(0, 100)}" is in several domains; write DOMAIN\\account.`)
    }
    return only
  }
}
