using System.Security;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Access;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>Who the client is: an API token, or a user with a password. Shows the name only.</summary>
internal sealed class ApiCredential : IDisposable
{
    private ApiCredential(string user, ApiSecret secret, string? oneTimeCode)
    {
        User = user;
        Secret = secret;
        OneTimeCode = oneTimeCode;
    }

    /// <summary>A name that holds '!' is a token's: <c>user@realm!token</c>.</summary>
    /// <exception cref="NataliaException">The name has no realm.</exception>
    internal static ApiCredential From(string user, SecureString secret, string? oneTimeCode)
    {
        int at = user.LastIndexOf('@');
        if (at <= 0 || at == user.Length - 1)
            throw new NataliaException(ErrorIds.AuthenticationFailed, NataliaErrorKind.InvalidArgument,
                $"The user name '{user}' names no realm.", user,
                "Write it as user@realm, for example backup@pve or root@pam; an API token as user@realm!token.");
        return new ApiCredential(user, new ApiSecret(secret), oneTimeCode);
    }

    internal string User { get; }

    internal ApiSecret Secret { get; }

    internal bool IsToken => User.Contains('!');

    /// <summary>The six digits of the second factor; good for one login only.</summary>
    internal string? OneTimeCode { get; }

    public void Dispose() => Secret.Dispose();

    public override string ToString() => User;
}
