using System.Xml.Linq;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>
/// The configuration of a VM as it is kept with restore points: the server's own, without its secrets.
/// </summary>
internal static class ConfigurationText
{
    /// <summary>The format's name: VirtualMachineConfigInfo of vim25.</summary>
    internal const string Format = "vim25-config";

    internal const string Removed = "(removed)";

    private static readonly string[] s_secretParts =
    [
        "password", "passwd", "passphrase", "secret", "token", "credential", "encryption", "private", "apikey",
        "api_key", "datafilekey", "remotedisplay.vnc.key",
        // What a guest is set up with from outside: cloud-init's data and the properties of an OVF.
        "guestinfo.userdata", "guestinfo.vendordata", "guestinfo.metadata", "guestinfo.ovfenv",
        "guestinfo.ignition", "guestinfo.coreos",
    ];

    /// <summary>The text.</summary>
    /// <param name="config">VirtualMachineConfigInfo.</param>
    internal static string Of(XElement config)
    {
        var copy = new XElement(config);
        foreach (XElement option in copy.Members("extraConfig").ToList())
            if (IsSecret(option.Text("key") ?? "")) option.Member("value")?.SetValue(Removed);
        foreach (XElement property in copy.At("vAppConfig").Members("property").ToList())
            if ((property.Text("type") ?? "").StartsWith("password", StringComparison.OrdinalIgnoreCase)
                || IsSecret(property.Text("id") ?? ""))
                foreach (string name in new[] { "value", "defaultValue" })
                    property.Member(name)?.SetValue(Removed);
        // The password of a remote console is a setting of its own kind.
        foreach (XElement element in copy.Descendants().Where(e => !e.HasElements
            && e.Name.LocalName.IndexOf("password", StringComparison.OrdinalIgnoreCase) >= 0).ToList())
            element.SetValue(Removed);
        return new XElement(VimXml.Vim + "config", copy.Attributes().Where(a => !a.IsNamespaceDeclaration),
            copy.Nodes()).ToString();
    }

    /// <summary>Whether a setting's name says that its value is a secret.</summary>
    internal static bool IsSecret(string key) =>
        s_secretParts.Any(p => key.IndexOf(p, StringComparison.OrdinalIgnoreCase) >= 0);
}
