// `npm run demo`: one patient's story, told to a running server by FHIR, HL7v2 and MQTT, and heard back by Subscription.
import { parseArgs } from 'node:util';
import { demoSettings, runDemo } from './demo/run.ts';
import { explain } from './demo/story.ts';

/** Undefined, once it is told, where there are others. */
function readOptions(): { help?: boolean } | undefined {
  try {
    return parseArgs({ options: { help: { type: 'boolean', short: 'h' } } }).values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exitCode = 2;
    return undefined;
  }
}

const usage = `npm run demo      against a server started with npm start

CEREBRA_URL       FHIR base        http://127.0.0.1:8080/fhir/R4
CEREBRA_MLLP      HL7v2 over MLLP  127.0.0.1:2575
CEREBRA_MQTT      MQTT broker      mqtt://127.0.0.1:1883`;
const options = readOptions();

if (options?.help) console.log(usage);
else if (options) {
  try {
    await runDemo(demoSettings(process.env));
  } catch (error) {
    console.error(`\nThe demo stopped: ${explain(error)}`);
    process.exitCode = 1;
  }
}
