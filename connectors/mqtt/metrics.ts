// What of the connector is counted. No label carries a device, a patient or a topic.
import type { Metrics } from '#platform';

export type MqttMetrics = ReturnType<typeof mqttMetrics>;

export function mqttMetrics(metrics: Metrics) {
  return {
    messages: metrics.counter('cerebra_mqtt_messages_total', 'Messages with device readings received, by QoS', ['qos']),
    readings: metrics.counter('cerebra_mqtt_readings_total', 'Device readings, by what became of them', ['outcome']),
    deadLetters: metrics.counter(
      'cerebra_mqtt_dead_letters_total',
      'Faults of device messages put aside in device_dead_letter',
      ['reason'],
    ),
    retries: metrics.counter('cerebra_mqtt_retries_total', 'Database calls tried again because it was unavailable'),
    batchSize: metrics.histogram(
      'cerebra_mqtt_batch_readings',
      'Readings written in one transaction',
      [],
      [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000],
    ),
    batchSeconds: metrics.histogram('cerebra_mqtt_batch_seconds', 'Duration of one batch write'),
    pendingReadings: metrics.gauge('cerebra_mqtt_pending_readings', 'Readings received and not yet committed'),
    connected: metrics.gauge('cerebra_mqtt_connected', '1 while the broker can be used'),
    clients: metrics.gauge('cerebra_mqtt_clients', 'Clients connected to the embedded broker'),
    refused: metrics.counter('cerebra_mqtt_connections_refused_total', 'Connections ended by the embedded broker', [
      'reason',
    ]),
  };
}
