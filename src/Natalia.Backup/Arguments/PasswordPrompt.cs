using System.Management.Automation.Host;
using System.Runtime.InteropServices;
using System.Security;
using Natalia.Backup.Engine;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Arguments;

/// <summary>Asks a person for a password.</summary>
internal static class PasswordPrompt
{
    /// <summary>
    /// Asks for a password that exists: a wrong one is told by what it does not open. On the pipeline thread.
    /// </summary>
    /// <param name="host">Where.</param>
    /// <param name="owner">What the password is for.</param>
    /// <returns>The password, empty when nothing was typed; null where the host cannot ask.</returns>
    /// <exception cref="NataliaException"><c>PasswordRequired</c> where nobody can be asked.</exception>
    internal static SecureString? Ask(PSHost host, string owner) =>
        Read(host, DisplayText.CleanLine($"Password of {owner}: "));

    /// <summary>
    /// Asks for a new password, which nothing can be compared with: a slip of the finger would lock everybody out for
    /// ever, so it is typed twice. On the pipeline thread.
    /// </summary>
    /// <param name="host">Where.</param>
    /// <param name="owner">What the password is for.</param>
    /// <returns>The password, empty when nothing was typed; null where the host cannot ask.</returns>
    /// <exception cref="NataliaException"><c>PasswordsDiffer</c>; <c>PasswordRequired</c> where nobody can be
    /// asked.</exception>
    internal static SecureString? AskNew(PSHost host, string owner)
    {
        SecureString? first = Read(host, $"New password of {owner}: ");
        if (first is not { Length: > 0 }) return first;
        using SecureString? second = Read(host, "The same again: ");
        if (second is not null && AreEqual(first, second)) return first;
        first.Dispose();
        throw new NataliaException(ErrorIds.PasswordsDiffer, NataliaErrorKind.InvalidArgument,
            "The two passwords differ. Nothing was made.", owner, "Try again.");
    }

    private static SecureString? Read(PSHost host, string text) => HostQuestion.Ask(
        () =>
        {
            if (IsDeaf(host)) throw new InvalidOperationException("Nobody can answer at this console.");
            host.UI?.Write(text);
            return host.UI?.ReadLineAsSecureString();
        },
        silent => new NataliaException(ErrorIds.PasswordRequired, NataliaErrorKind.InvalidArgument,
            "A password is needed, and nobody can be asked here.",
            recommendedAction: "Give it as a SecureString, for instance -Password (Get-Secret natalia-backup).",
            innerException: silent));

    /// <summary>
    /// Whether the host would write the question and only then find out that nobody can answer: PowerShell's own
    /// console reads a password key by key, and on Unix there are no keys where its input is redirected.
    /// </summary>
    private static bool IsDeaf(PSHost host) => host.Name == "ConsoleHost"
        && ((Console.IsInputRedirected && !RuntimeInformation.IsOSPlatform(OSPlatform.Windows)) || IsSilent(host));

    /// <summary>
    /// Whether PowerShell's own console was told to ask nothing (-NonInteractive). It tells nobody, but refuses a
    /// question before it looks whether anything is asked at all.
    /// </summary>
    private static bool IsSilent(PSHost host)
    {
        try
        {
            host.UI?.PromptForChoice("", "", [], -1);
            return false;
        }
        catch (ArgumentException)
        {
            return false;
        }
        catch (Exception silent) when (silent is HostException or InvalidOperationException)
        {
            return true;
        }
    }

    private static bool AreEqual(SecureString first, SecureString second)
    {
        if (first.Length != second.Length) return false;
        IntPtr one = IntPtr.Zero, other = IntPtr.Zero;
        try
        {
            one = Marshal.SecureStringToGlobalAllocUnicode(first);
            other = Marshal.SecureStringToGlobalAllocUnicode(second);
            int difference = 0;
            for (int i = 0; i < first.Length; i++)
                difference |= Marshal.ReadInt16(one, i * 2) ^ Marshal.ReadInt16(other, i * 2);
            return difference == 0;
        }
        finally
        {
            if (one != IntPtr.Zero) Marshal.ZeroFreeGlobalAllocUnicode(one);
            if (other != IntPtr.Zero) Marshal.ZeroFreeGlobalAllocUnicode(other);
        }
    }
}
