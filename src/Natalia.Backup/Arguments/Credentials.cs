using System.Management.Automation;
using System.Runtime.InteropServices;
using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Serving.Iscsi;

namespace Natalia.Backup.Arguments;

/// <summary>Credentials as PowerShell has them.</summary>
internal static class Credentials
{
    private const int ShortestSecret = 12, LongestSecret = 255;

    /// <summary>The same for what knows no PowerShell; null stays null.</summary>
    /// <param name="credential">Who connects.</param>
    /// <param name="oneTimeCode">The code of a second factor, or null.</param>
    internal static UserCredential? ToUser(this PSCredential? credential, string? oneTimeCode = null) =>
        credential is null ? null : new UserCredential(credential.UserName, credential.Password, oneTimeCode);

    /// <summary>Who may log in by CHAP; null stays null.</summary>
    /// <param name="credential">The user and the secret.</param>
    /// <exception cref="NataliaException"><c>MountNotProtected</c>: the secret is too short to be one.</exception>
    internal static ChapAccount? ToChap(this PSCredential? credential)
    {
        if (credential is null) return null;
        if (credential.Password.Length is < ShortestSecret or > LongestSecret)
            throw new NataliaException(ErrorIds.MountNotProtected, NataliaErrorKind.InvalidArgument,
                $"A secret of CHAP has {ShortestSecret} to {LongestSecret} characters: whoever listens can try shorter "
                + "ones.", credential.UserName, "Choose one at random; Windows takes 12 to 16 characters.");
        IntPtr text = Marshal.SecureStringToGlobalAllocUnicode(credential.Password);
        var characters = new char[credential.Password.Length];
        try
        {
            Marshal.Copy(text, characters, 0, characters.Length);
            return new ChapAccount(credential.UserName, Encoding.UTF8.GetBytes(characters));
        }
        finally
        {
            Array.Clear(characters, 0, characters.Length);
            Marshal.ZeroFreeGlobalAllocUnicode(text);
        }
    }
}
