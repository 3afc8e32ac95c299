import type { MigrationInterface, QueryRunner } from 'typeorm'

/** What the audit log is searched by, newest first: time, actor, action, and outcomes other than success. */
export class IndexAuditLog1795230601000 implements MigrationInterface {
  readonly name = 'IndexAuditLog1795230601000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX audit_event_at ON certkeep.audit_event (at, seq);
      CREATE INDEX audit_event_of_actor ON certkeep.audit_event (actor, at, seq);
      CREATE INDEX audit_event_of_action ON certkeep.audit_event (action, at, seq);
      CREATE INDEX audit_event_unsuccessful ON certkeep.audit_event (outcome, at, seq) WHERE outcome <> 'success';
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX certkeep.audit_event_unsuccessful;
      DROP INDEX certkeep.audit_event_of_action;
      DROP INDEX certkeep.audit_event_of_actor;
      DROP INDEX certkeep.audit_event_at;
    `)
  }
}
