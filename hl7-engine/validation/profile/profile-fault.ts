// What is wrong with a conformance profile.

export class ProfileFault extends Error {
  constructor(where: string, problem: string) {
    super(where === '' ? problem : `${where} ${problem}`);
    this.name = 'ProfileFault';
  }
}
