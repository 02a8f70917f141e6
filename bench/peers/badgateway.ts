import { OAuth2Client, OAuth2Fetch } from "@badgateway/oauth2-client"
import { npm } from "./peer.js"

export const badgateway = npm("@badgateway/oauth2-client", (issue) => {
  const wrapper = new OAuth2Fetch({
    client: new OAuth2Client({ clientId: "client", server: "https://issuer.example" }),
    // Its timer is set for the real time of the expiry, and overflows for a token of 30 days.
    scheduleRefresh: false,
    getNewToken: async () => {
      const { accessToken, expiresIn } = await issue()
      return { accessToken, expiresAt: Date.now() + expiresIn * 1000, refreshToken: null }
    }
  })
  return () => wrapper.getAccessToken()
})
