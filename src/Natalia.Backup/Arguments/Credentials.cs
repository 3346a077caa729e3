using System.Management.Automation;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Arguments;

/// <summary>Credentials as PowerShell has them.</summary>
internal static class Credentials
{
    /// <summary>The same for what knows no PowerShell; null stays null.</summary>
    internal static UserCredential? ToUser(this PSCredential? credential) => credential is null ? null : new UserCredential(credential.UserName, credential.Password);
}
