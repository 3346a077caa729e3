using System.Security;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>
/// Who connects, and with what secret: a user and a password, a token's id and its secret, an access key and its
/// secret.
/// </summary>
/// <param name="userName">Who.</param>
/// <param name="password">The secret; belongs to whoever gave it.</param>
/// <param name="oneTimeCode">The code of a second factor, good for one login; or null.</param>
internal sealed class UserCredential(string userName, SecureString password, string? oneTimeCode = null)
{
    internal string UserName { get; } = userName;

    internal SecureString Password { get; } = password;

    internal string? OneTimeCode { get; } = oneTimeCode;

    /// <summary>Who; never the secret.</summary>
    public override string ToString() => UserName;
}
