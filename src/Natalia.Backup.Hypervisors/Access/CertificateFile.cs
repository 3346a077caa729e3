using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Access;

/// <summary>Reads certificates: PEM with any number of them, or one in DER.</summary>
internal static class CertificateFile
{
    /// <summary>The authorities of a file.</summary>
    /// <exception cref="NataliaException"><c>ServerNotTrusted</c>: it cannot be read.</exception>
    internal static X509Certificate2Collection Read(string path)
    {
        try
        {
            return Parse(File.ReadAllBytes(path));
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or FormatException or CryptographicException)
        {
            throw new NataliaException(ErrorIds.ServerNotTrusted, NataliaErrorKind.InvalidArgument,
                $"The certificate file '{path}' cannot be read: {e.Message}", path,
                "Give the authority that signed the server's certificate; of Proxmox VE it is "
                + "/etc/pve/pve-root-ca.pem of any node, of a vCenter the root of its VMCA "
                + "(https://vcenter/certs/download.zip).", e);
        }
    }

    /// <summary>The certificates, at least one.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    /// <exception cref="CryptographicException">It is none.</exception>
    internal static X509Certificate2Collection Parse(byte[] bytes)
    {
        string text = System.Text.Encoding.ASCII.GetString(bytes);
        var found = new X509Certificate2Collection();
        foreach (Match block in Regex.Matches(text,
            "-----BEGIN CERTIFICATE-----(?<body>[^-]+)-----END CERTIFICATE-----"))
            found.Add(Load(Convert.FromBase64String(Regex.Replace(block.Groups["body"].Value, @"\s+", ""))));
        if (found.Count == 0) found.Add(Load(bytes));
        return found;
    }

    private static X509Certificate2 Load(byte[] bytes) => new(bytes);
}
