using System.Management.Automation;
using Natalia.Backup.Operations.Kinds;

namespace Natalia.Backup.Arguments;

/// <summary>Credentials as PowerShell has them.</summary>
internal static class Credentials
{
    /// <summary>The same for what knows no PowerShell; null stays null.</summary>
    /// <param name="credential">Who connects.</param>
    /// <param name="oneTimeCode">The code of a second factor, or null.</param>
    internal static UserCredential? ToUser(this PSCredential? credential, string? oneTimeCode = null) =>
        credential is null ? null : new UserCredential(credential.UserName, credential.Password, oneTimeCode);
}
