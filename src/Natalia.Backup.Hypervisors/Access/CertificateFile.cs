using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Access;

/// <summary>Reads the authorities of a file: PEM with any number of certificates, or one in DER.</summary>
internal static class CertificateFile
{
    internal static X509Certificate2Collection Read(string path)
    {
        try
        {
            byte[] bytes = File.ReadAllBytes(path);
            string text = System.Text.Encoding.ASCII.GetString(bytes);
            var found = new X509Certificate2Collection();
            foreach (Match block in Regex.Matches(text,
                "-----BEGIN CERTIFICATE-----(?<body>[^-]+)-----END CERTIFICATE-----"))
                found.Add(Load(Convert.FromBase64String(Regex.Replace(block.Groups["body"].Value, @"\s+", ""))));
            if (found.Count == 0) found.Add(Load(bytes));
            return found;
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or FormatException or CryptographicException)
        {
            throw new NataliaException(ErrorIds.ServerNotTrusted, NataliaErrorKind.InvalidArgument,
                $"The certificate file '{path}' cannot be read: {e.Message}", path,
                "Give the authority that signed the server's certificate; of Proxmox VE it is "
                + "/etc/pve/pve-root-ca.pem of any node.", e);
        }
    }

    private static X509Certificate2 Load(byte[] bytes) => new(bytes);
}
