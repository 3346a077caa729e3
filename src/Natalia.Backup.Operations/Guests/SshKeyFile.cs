using System.Security;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Guests;

/// <summary>
/// The file of a private key with which a guest is logged in to over SSH. It is read when it is needed, and kept
/// nowhere.
/// </summary>
internal static class SshKeyFile
{
    /// <summary>No private key is longer; another file was meant.</summary>
    private const long MostBytes = 64 << 10;

    /// <summary>Looks whether the file is there and can be one.</summary>
    /// <param name="path">An absolute path, for a path that is kept is used by other processes with other current
    /// folders.</param>
    /// <exception cref="NataliaException"><c>SshKeyInvalid</c>.</exception>
    internal static void Check(string path)
    {
        using FileStream file = Open(path);
    }

    /// <summary>Reads the key.</summary>
    /// <param name="path">An absolute path.</param>
    /// <exception cref="NataliaException"><c>SshKeyInvalid</c>.</exception>
    internal static SecureString Read(string path)
    {
        using var reader = new StreamReader(Open(path));
        var key = new SecureString();
        try
        {
            while (reader.Read() is >= 0 and int character) key.AppendChar((char)character);
        }
        catch (IOException e)
        {
            throw Invalid(path, e.Message, e);
        }
        key.MakeReadOnly();
        return key;
    }

    private static FileStream Open(string path)
    {
        if (!Path.IsPathRooted(path)) throw Invalid(path, "its path is not absolute", null);
        try
        {
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
            if (file.Length <= MostBytes) return file;
            file.Dispose();
            throw Invalid(path, "no private key is as long", null);
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw Invalid(path, e.Message, e);
        }
    }

    private static NataliaException Invalid(string path, string why, Exception? inner) =>
        new(ErrorIds.SshKeyInvalid, NataliaErrorKind.InvalidArgument,
            $"The private key '{path}' cannot be used: {why.TrimEnd('.')}.", path,
            "Give the absolute path of a key as ssh-keygen makes it, which this user may read.", inner);
}
