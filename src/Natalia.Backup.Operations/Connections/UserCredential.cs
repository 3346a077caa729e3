using System.Security;

namespace Natalia.Backup.Operations.Connections;

/// <summary>Who connects, and with what secret: a user and a password, a token's id and its secret, an access key and its secret.</summary>
/// <param name="userName">Who.</param>
/// <param name="password">The secret; belongs to whoever gave it.</param>
internal sealed class UserCredential(string userName, SecureString password)
{
    internal string UserName { get; } = userName;

    internal SecureString Password { get; } = password;

    /// <summary>Who; never the secret.</summary>
    public override string ToString() => UserName;
}
