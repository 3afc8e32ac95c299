import type { MigrationInterface, QueryRunner } from 'typeorm'

/**
 * Revocations that CMC messages asked for. The row is written with the revocation, in one transaction; the authority signs
 * the answer, which the same message gets again.
 */
export class CreateRevocationAnswers1795230301000 implements MigrationInterface {
  readonly name = 'CreateRevocationAnswers1795230301000'

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE certkeep.revocation_answer (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        ca_id integer NOT NULL REFERENCES certkeep.ca (id),
        requester_id uuid NOT NULL,
        message_digest bytea NOT NULL CHECK (octet_length(message_digest) = 32),
        body_part_id bigint NOT NULL,
        transaction_id bytea,
        sender_nonce bytea,
        data_return bytea,
        created_at timestamptz NOT NULL,
        full_response bytea,
        UNIQUE (ca_id, requester_id, message_digest)
      );
      ALTER TABLE certkeep.revocation_answer ALTER full_response SET STORAGE EXTERNAL;
      CREATE INDEX revocation_answer_to_sign ON certkeep.revocation_answer (id) WHERE full_response IS NULL;

      GRANT SELECT, INSERT (ca_id, requester_id, message_digest, body_part_id, transaction_id, sender_nonce, data_return,
        created_at) ON certkeep.revocation_answer TO certkeep_front;
      GRANT SELECT, UPDATE (full_response) ON certkeep.revocation_answer TO certkeep_authority;
    `)
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE certkeep.revocation_answer`)
  }
}
