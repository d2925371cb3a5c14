// What a built-in alert is: a rule that listens to the change stream like a Subscription does.
import type { AccessScope, Resource, ResourceReader, ResourceWriter } from '#fhir-model';

export interface AlertPorts {
  reader: ResourceReader;
  writer: ResourceWriter;
  scope: AccessScope;
}

export interface AlertRule {
  /** Part of ids and of URLs: `[a-z-]+`. */
  name: string;
  /** Search criteria of the resources it looks at. */
  criteria: string;
  /** Whether a version of such a resource can change anything; what can't is not even numbered. */
  test(resource: Resource, version: number): boolean;
  /**
   * Brings what the alert has raised into line with the current state of the resource; doing it twice is doing it once.
   * `updatedMs` is the instant of the change. Throws CerebraError as the writer does.
   */
  apply(resource: Resource, updatedMs: number, ports: AlertPorts): Promise<void>;
}
