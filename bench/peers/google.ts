import { OAuth2Client } from "google-auth-library"
import { npm } from "./peer.js"

const reading = (client: OAuth2Client) => async () => {
  const { token } = await client.getAccessToken()
  if (typeof token !== "string") throw new Error("no token")
  return token
}

export const refreshHandler = npm("google-auth-library, refreshHandler", (issue) => {
  const client = new OAuth2Client()
  client.refreshHandler = async () => {
    const { accessToken, expiresIn } = await issue()
    return { access_token: accessToken, expiry_date: Date.now() + expiresIn * 1000 }
  }
  return reading(client)
})

class StubbedClient extends OAuth2Client {
  constructor(readonly issue: () => Promise<{ readonly accessToken: string; readonly expiresIn: number }>) {
    super()
    this.setCredentials({ refresh_token: "refresh" })
  }

  // What the library does with the answer of its token endpoint, without the request.
  protected override async refreshTokenNoCache() {
    const { accessToken, expiresIn } = await this.issue()
    return { tokens: { access_token: accessToken, expiry_date: Date.now() + expiresIn * 1000 }, res: null }
  }
}

export const refreshToken = npm("google-auth-library, refresh token", (issue) => reading(new StubbedClient(issue)))
