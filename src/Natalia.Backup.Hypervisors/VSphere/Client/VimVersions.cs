using System.Xml.Linq;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>
/// Agrees on the version of the interface. The newest that the server speaks is taken: an older one hides the newer
/// kinds of devices, which belong into the kept configuration.
/// </summary>
internal static class VimVersions
{
    private const string Oldest = "6.5";
    private static readonly Version s_oldest = new(6, 5);

    internal static async Task<string> ChooseAsync(VimWire wire, CancellationToken cancellationToken)
    {
        XElement? document = await wire.GetDocumentAsync("/sdk/vimServiceVersions.xml",
            cancellationToken).ConfigureAwait(false);
        XElement? vim = document.Members("namespace").FirstOrDefault(n => n.Text("name") == "urn:vim25");
        IEnumerable<string?> spoken = new[] { vim.Text("version") }
            .Concat(vim.Member("priorVersions").Members("version").Select(v => v.Value));
        return spoken.OfType<string>().Select(v => (Text: v.Trim(), Number: Parse(v)))
            .Where(v => v.Number >= s_oldest).OrderByDescending(v => v.Number).Select(v => v.Text).FirstOrDefault()
            ?? Oldest;
    }

    /// <exception cref="NataliaException"><c>HypervisorNotFound</c>: the server is too old.</exception>
    internal static void Require(XElement about, string host)
    {
        string? version = about.Text("apiVersion");
        if (version is null || Parse(version) < s_oldest)
            throw new NataliaException(ErrorIds.HypervisorNotFound, NataliaErrorKind.NotSupported,
                $"'{host}' is {about.Text("fullName") ?? "no vSphere"}: vCenter or ESXi of version {Oldest} or newer "
                + "is needed.", host);
    }

    private static Version Parse(string text) =>
        Version.TryParse(text.Trim(), out Version? version) ? version : new Version(0, 0);
}
