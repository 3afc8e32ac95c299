import type { MigrationInterface, QueryRunner } from 'typeorm'

/** An agent whose certificate this installation has revoked approves nothing, and takes no keys over. */
export class CountNoRevokedAgents1795231841000 implements MigrationInterface {
  readonly name = 'CountNoRevokedAgents1795231841000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(functions(true))
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(functions(false))
  }
}

const NOT_REVOKED = `
        AND NOT EXISTS (SELECT FROM certkeep.certificate AS c WHERE c.sha256 = g.sha256 AND c.state = 'issued' AND c.revoked_at IS NOT NULL)`

const LOCK_CERTIFICATES = `
    PERFORM FROM certkeep.certificate WHERE state = 'issued' AND sha256 IN (
      SELECT g.sha256 FROM certkeep.recovery_agent AS g JOIN certkeep.recovery_approval AS a ON a.agent_id = g.id
      WHERE a.recovery_id = of_recovery) ORDER BY sha256 FOR SHARE;`

/** As they were, or mended. */
function functions(isMended: boolean): string {
  return `
  -- Whether a person opens what is sealed to an agent: the agent is the person's, in use and valid, and the person is one
  -- who may.
  CREATE OR REPLACE FUNCTION certkeep.agent_may_open(of_agent integer, of_principal uuid, at timestamptz) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
      SELECT FROM certkeep.recovery_agent AS g
      WHERE g.id = of_agent AND g.principal_id = of_principal AND g.state = 'active'
        AND at BETWEEN g.not_before AND g.not_after
        AND certkeep.holds_role(of_principal, 'recovery_agent', g.ca_id)${isMended ? NOT_REVOKED : ''})
  $$;

  -- Whoever changes a right of one who approved waits until the release is decided, or has done so before.
  CREATE OR REPLACE FUNCTION certkeep.lock_recovery_parties(of_recovery integer) RETURNS void
  LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DECLARE
    people uuid[] := ARRAY(
      SELECT principal_id FROM certkeep.recovery_approval WHERE recovery_id = of_recovery
      UNION SELECT requester_id FROM certkeep.recovery WHERE id = of_recovery);
  BEGIN
    PERFORM FROM certkeep.principal WHERE id = ANY (people) ORDER BY id FOR SHARE;
    PERFORM FROM certkeep.role_assignment WHERE principal_id = ANY (people) AND revoked_at IS NULL ORDER BY id FOR SHARE;
    PERFORM FROM certkeep.recovery_agent WHERE id IN (
      SELECT agent_id FROM certkeep.recovery_approval WHERE recovery_id = of_recovery) ORDER BY id FOR SHARE;${isMended ? LOCK_CERTIFICATES : ''}
  END $$;
`
}
