import type { MigrationInterface, QueryRunner } from 'typeorm'

/** Template versions: who wrote and who activated each, by two people; immutable, for the owner of the schema too. */
export class GuardTemplates1795230200000 implements MigrationInterface {
  readonly name = 'GuardTemplates1795230200000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(COLUMNS)
    await runner.query(GUARD)
    await runner.query('GRANT UPDATE (activated_by, activated_at) ON certkeep.template TO certkeep_console')
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TRIGGER template_is_kept ON certkeep.template;
      DROP TRIGGER template_is_guarded ON certkeep.template;
      DROP FUNCTION certkeep.guard_template();
      ALTER TABLE certkeep.template DROP COLUMN activated_at, DROP COLUMN activated_by, DROP COLUMN author;
    `)
  }
}

/**
 * Versions from before this rule have the author that the audit log names. One person could activate what it had
 * written then; what is active so is taken over as the installation's.
 */
const COLUMNS = `
  ALTER TABLE certkeep.template ADD COLUMN author text, ADD COLUMN activated_by text,
    ADD COLUMN activated_at timestamptz;

  UPDATE certkeep.template AS t SET author = coalesce((
    SELECT e.actor FROM certkeep.audit_event AS e
    WHERE e.object_type = 'template' AND e.object_id = t.id::text AND e.action = 'template.added'
    ORDER BY e.seq LIMIT 1), 'installation');
  UPDATE certkeep.template SET activated_by = 'installation', activated_at = created_at WHERE state = 'active';

  ALTER TABLE certkeep.template ALTER COLUMN author SET NOT NULL,
    ADD CONSTRAINT template_has_author CHECK (author <> ''),
    ADD CONSTRAINT template_activation_complete CHECK (
      num_nulls(activated_by, activated_at) IN (0, 2) AND (state <> 'active' OR activated_by IS NOT NULL)),
    ADD CONSTRAINT template_activator_is_not_author CHECK (
      author = 'installation' OR lower(activated_by) IS DISTINCT FROM lower(author));
`

/** `current_user` is the role of the process. */
const GUARD = `
  CREATE FUNCTION certkeep.guard_template() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    broken text;
  BEGIN
    IF TG_OP = 'INSERT' THEN
      IF NEW.state <> 'draft' OR NEW.activated_by IS NOT NULL THEN
        broken := 'template_starts_as_draft';
      ELSIF NEW.author = 'installation' AND current_user = 'certkeep_console' THEN
        broken := 'template_author_is_a_person';
      END IF;
    ELSE
      IF (NEW.id, NEW.name, NEW.oid, NEW.major, NEW.minor, NEW.schema_version, NEW.definition, NEW.author, NEW.created_at)
        IS DISTINCT FROM
        (OLD.id, OLD.name, OLD.oid, OLD.major, OLD.minor, OLD.schema_version, OLD.definition, OLD.author, OLD.created_at)
      THEN
        broken := 'template_is_immutable';
      ELSIF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
        ('draft', 'active'), ('draft', 'retired'), ('active', 'retired'), ('retired', 'active'))
      THEN
        broken := 'template_moves_legally';
      ELSIF (NEW.activated_by, NEW.activated_at) IS DISTINCT FROM (OLD.activated_by, OLD.activated_at)
        AND (NEW.state <> 'active' OR OLD.state = 'active')
      THEN
        broken := 'template_keeps_activator';
      ELSIF NEW.state = 'active' AND OLD.state <> 'active' AND NEW.activated_by = 'installation'
        AND current_user = 'certkeep_console'
      THEN
        broken := 'template_activator_is_a_person';
      END IF;
    END IF;
    IF broken IS NOT NULL THEN
      RAISE EXCEPTION 'template % may not be changed so (%)', NEW.name, broken
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = broken, TABLE = TG_TABLE_NAME,
              SCHEMA = TG_TABLE_SCHEMA;
    END IF;
    RETURN NEW;
  END $$;

  CREATE TRIGGER template_is_guarded BEFORE INSERT OR UPDATE ON certkeep.template FOR EACH ROW
    EXECUTE FUNCTION certkeep.guard_template();

  CREATE TRIGGER template_is_kept BEFORE DELETE OR TRUNCATE ON certkeep.template
    FOR EACH STATEMENT EXECUTE FUNCTION certkeep.refuse('a version of a template is retired, never deleted');
`
