// By its file: the package gives the cycler out only inside of a pipeline policy.
import { createTokenCycler } from "../node_modules/@azure/core-rest-pipeline/dist/esm/util/tokenCycler.js"
import { npm } from "./peer.js"

export const azure = npm("@azure/core-rest-pipeline token cycler", (issue) => {
  const getToken = createTokenCycler({
    getToken: async () => {
      const { accessToken, expiresIn } = await issue()
      return { token: accessToken, expiresOnTimestamp: Date.now() + expiresIn * 1000 }
    }
  })
  return async () => (await getToken("scope", {})).token
})
