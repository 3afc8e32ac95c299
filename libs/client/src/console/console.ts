import { Transport, type ConnectionSettings } from '../transport.js'
import { ArchivedKeys } from './archived-keys.js'
import { Audit } from './audit.js'
import { Certificates } from './certificates.js'
import { Clients } from './clients.js'
import { Crls } from './crls.js'
import { Directory } from './directory.js'
import { EnrollmentRights } from './enrollment-rights.js'
import { Invitations } from './invitations.js'
import { KeyDrills } from './key-drills.js'
import { KeyImports } from './key-imports.js'
import { KeyPurges } from './key-purges.js'
import { KeyRetention } from './key-retention.js'
import { Operators } from './operators.js'
import { Health } from './health.js'
import { Queue } from './queue.js'
import { Recoveries } from './recoveries.js'
import { RecoveryAgents } from './recovery-agents.js'
import { Reseals } from './reseals.js'
import { ConfigMgrSite } from './site.js'
import { Templates } from './templates.js'
import { Session } from './session.js'

/**
 * The operator's side of a server: one member for each kind of thing that operators look after. Safe for many calls at a
 * time. Every call throws `server_unreachable` when there is no answer, else the error that the server's problem details
 * name.
 */
export class Console implements AsyncDisposable {
  readonly archivedKeys: ArchivedKeys
  readonly audit: Audit
  readonly certificates: Certificates
  readonly clients: Clients
  readonly crls: Crls
  readonly directory: Directory
  readonly enrollmentRights: EnrollmentRights
  readonly invitations: Invitations
  readonly keyDrills: KeyDrills
  readonly keyImports: KeyImports
  readonly keyPurges: KeyPurges
  readonly keyRetention: KeyRetention
  readonly operators: Operators
  readonly health: Health
  readonly queue: Queue
  readonly recoveryAgents: RecoveryAgents
  readonly reseals: Reseals
  readonly recoveries: Recoveries
  readonly site: ConfigMgrSite
  readonly templates: Templates
  readonly session: Session
  private readonly transport: Transport

  /** @param settings with a token of scope `console`, or a client certificate of an operator, as credentials */
  constructor(settings: ConnectionSettings) {
    this.transport = new Transport(settings)
    this.archivedKeys = new ArchivedKeys(this.transport)
    this.audit = new Audit(this.transport)
    this.certificates = new Certificates(this.transport)
    this.clients = new Clients(this.transport)
    this.crls = new Crls(this.transport)
    this.directory = new Directory(this.transport)
    this.enrollmentRights = new EnrollmentRights(this.transport)
    this.invitations = new Invitations(this.transport)
    this.keyDrills = new KeyDrills(this.transport)
    this.keyImports = new KeyImports(this.transport)
    this.keyPurges = new KeyPurges(this.transport)
    this.keyRetention = new KeyRetention(this.transport)
    this.operators = new Operators(this.transport)
    this.health = new Health(this.transport)
    this.queue = new Queue(this.transport)
    this.recoveryAgents = new RecoveryAgents(this.transport)
    this.reseals = new Reseals(this.transport)
    this.recoveries = new Recoveries(this.transport)
    this.site = new ConfigMgrSite(this.transport)
    this.templates = new Templates(this.transport)
    this.session = new Session(this.transport)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.transport.close()
  }
}
