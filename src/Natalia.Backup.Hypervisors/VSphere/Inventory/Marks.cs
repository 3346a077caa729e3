using System.Xml.Linq;
using Natalia.Backup.Hypervisors.VSphere.Client;

namespace Natalia.Backup.Hypervisors.VSphere.Inventory;

/// <summary>Options of a VM's extra configuration.</summary>
internal static class Marks
{
    /// <summary>An option's value; null where there is none.</summary>
    /// <param name="config">VirtualMachineConfigInfo.</param>
    /// <param name="key">The option.</param>
    internal static string? Read(XElement? config, string key) =>
        config.Members("extraConfig").FirstOrDefault(o => o.Text("key") == key).Text("value") is { Length: > 0 } value
            ? value
            : null;

    /// <summary>An option, for a configuration that is sent; an empty value takes it away.</summary>
    internal static XElement Option(string key, string value) =>
        VimXml.Group("extraConfig", VimXml.Element("key", key), new XElement(VimXml.Vim + "value",
            new XAttribute(VimXml.Instance + "type", "xsd:string"),
            new XAttribute(XNamespace.Xmlns + "xsd", "http://www.w3.org/2001/XMLSchema"), value));
}
