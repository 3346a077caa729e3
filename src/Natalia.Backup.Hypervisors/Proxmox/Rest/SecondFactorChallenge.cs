using System.Text.Json;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>Reads which second factors an account has, from the challenge that a login answers with.</summary>
internal static class SecondFactorChallenge
{
    /// <summary>Throws when the account has no factor that is a code.</summary>
    internal static void Check(string ticket, string user, string location)
    {
        int start = ticket.IndexOf(":!tfa!", StringComparison.Ordinal);
        if (start < 0) return;
        string rest = ticket.Substring(start + 6);
        int end = rest.IndexOf(':');
        string json = Uri.UnescapeDataString(end < 0 ? rest : rest.Substring(0, end));
        try
        {
            using JsonDocument challenge = JsonDocument.Parse(json);
            if (challenge.RootElement.ValueKind != JsonValueKind.Object || challenge.RootElement.Flag("totp") == true)
                return;
            throw new ApiException(ErrorIds.SecondFactorNotSupported, NataliaErrorKind.NotSupported,
                $"The account '{user}' at '{location}' has no second factor that is a time-based code "
                + $"({string.Join(", ", Offered(challenge.RootElement))}).",
                user, "Use an API token, or give the account an authenticator app.")
            { NothingHappened = true };
        }
        catch (JsonException)
        {
            // An older server's challenge: a code is what it understands.
        }
    }

    private static IEnumerable<string> Offered(JsonElement challenge) => challenge.EnumerateObject()
        .Where(p => p.Value.ValueKind is not (JsonValueKind.Null or JsonValueKind.False))
        .Select(p => p.Name);
}
