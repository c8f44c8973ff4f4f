// An API in JavaScript that knows the issuer's URL and its own name, and finds out the rest.
// node express.mjs ISSUER AUDIENCE
// Prints its port; GET / answers with what a good access token claims.
import express from 'express'
import { auth } from 'express-oauth2-jwt-bearer'

const [issuerBaseURL, audience] = process.argv.slice(2)
const app = express()
app.get('/', auth({ issuerBaseURL, audience, strict: true }), (request, response) => {
  response.json(request.auth.payload)
})
// Express knows an error handler by its four parameters.
app.use((error, _request, response, _next) => {
  response.status(error.status ?? 500).json({ code: error.code, message: error.message })
})
const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port))
